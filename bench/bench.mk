# Measuring. The Makefile at the root includes this file.
#   make bench            everything side by side; QUICK=1 for the short version
#   make bench-peers      installs the peers into .peers/, each in an environment of its own
#   make soak             200,000 requests and 2,000 streams; SHORT=1 for a short version
#   make soak-faults      10,000 calls before three providers that fail at random
#   make store-outage     the store away for 20 s under load
#   make report           80 real prompts through the sandbox with `auto`
#   make coldstart        from the command to the first answer, imports, modules of a worker
#   make profile          where a worker spends its time
#   make bench-guardrails what content checks find, and what they cost; needs FEDERATION_DATA
#   make bench-policies   what a policy's ruling costs
#   make bench-evidence what evidence costs a call, and how quick a log is verified
#   make bench-ledger     how quick sums over the ledger are; LINES=10000000 for the long version,
#                         LEDGER_ARGS="--keep FOLDER" keeps what was filled for the next run
#   make bench-translation what a long conversation costs in each of the 30 pairs of languages
#   make bench-limits     how true limits are over two replicas and four workers, and their cost
#   make bench-limits-cluster  the same for whole processes behind nginx: PostgreSQL, Redis, two replicas
#   make bench-resilience what resilience costs a call that goes well
#   make page             writes bench/results/bench.json into docs/explanation/performance.md

BENCH_PYTHON ?= $(BIN)/python

.PHONY: bench bench-evidence bench-guardrails bench-ledger bench-limits bench-limits-cluster bench-peers bench-policies bench-resilience bench-translation soak soak-faults store-outage report coldstart profile page

bench: $(DEV) ## CPU, latency and streams beside nginx; QUICK=1 is shorter
	$(BENCH_PYTHON) -m bench.run $(if $(QUICK),--quick) $(BENCH_ARGS)

bench-peers: ## install the peers that `make bench` also measures
	sh bench/peers.sh

bench-guardrails: $(DEV) ## what content checks find and cost; needs FEDERATION_DATA
	$(BENCH_PYTHON) -m bench.guardrails_pii $(FEDERATION_DATA)
	$(BENCH_PYTHON) -m bench.guardrails_benign
	$(BENCH_PYTHON) -m bench.guardrails_injection $(FEDERATION_DATA)
	$(BENCH_PYTHON) -m bench.guardrails_speed $(FEDERATION_DATA) --hard --big

bench-policies: $(DEV) ## what a policy's ruling costs
	$(BENCH_PYTHON) -m bench.policies

bench-evidence: $(DEV) ## what evidence costs a call, and how quick a log is verified
	$(BENCH_PYTHON) -m bench.evidence $(EVIDENCE_ARGS)

bench-ledger: $(DEV) ## how quick sums over the ledger are, on SQLite and PostgreSQL
	$(BENCH_PYTHON) -m bench.ledger $(LINES) $(LEDGER_ARGS)

bench-translation: $(DEV) ## a conversation of 100,000 tokens, every language to every other
	$(BENCH_PYTHON) -m bench.translation $(TRANSLATION_ARGS)

bench-limits: $(DEV) ## how true limits are, on each store, and what they cost; SECONDS=30
	$(BENCH_PYTHON) -m bench.limits $(SECONDS)

bench-limits-cluster: $(DEV) ## how true limits are behind nginx, over two replicas with two workers each; SECONDS=30
	PYTHONPATH=tests/support $(BENCH_PYTHON) -m bench.limits_cluster $(if $(SECONDS),--seconds $(SECONDS))

bench-resilience: $(DEV) ## what resilience costs a call that goes well, in thread CPU
	PYTHONPATH=tests/support $(BENCH_PYTHON) -m bench.resilience $(RESILIENCE_ARGS)

soak: $(DEV) ## memory over a long run; SHORT=1 is shorter
	$(BENCH_PYTHON) -m bench.soak $(if $(SHORT),--short) $(SOAK_ARGS)

soak-faults: $(DEV) ## 10,000 calls before providers that fail at random, whole processes
	$(BENCH_PYTHON) -m bench.faults $(FAULTS_ARGS)

store-outage: $(DEV) ## the store away for 20 s under load, then a full disk
	FEDERATION_OUTAGE_S=20 $(BIN)/pytest tests/api/test_life_store.py -p no:cacheprovider

report: $(DEV) ## 80 real prompts through the sandbox; needs FEDERATION_DATA
	$(BENCH_PYTHON) -m bench.real_input $(REPORT_ARGS)

coldstart: $(DEV) ## from the command to the first answer
	$(BENCH_PYTHON) -m bench.coldstart

profile: $(DEV) ## where a worker spends its time
	$(BENCH_PYTHON) -m bench.profile_worker $(PROFILE_ARGS)

page: $(DEV) ## write the stored run into the performance page
	$(BENCH_PYTHON) -m bench.page
