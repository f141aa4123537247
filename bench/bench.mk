# Measuring. The Makefile at the root includes this file.
#   make bench            everything side by side; QUICK=1 for the short version
#   make bench-peers      installs the peers into .peers/, each in an environment of its own
#   make soak             200,000 requests and 2,000 streams; SHORT=1 for a short version
#   make report           80 real prompts through the sandbox with `auto`
#   make coldstart        from the command to the first answer, imports, modules of a worker
#   make profile          where a worker spends its time
#   make page             writes bench/results/bench.json into docs/explanation/performance.md

BENCH_PYTHON ?= .venv/bin/python

.PHONY: bench bench-peers soak report coldstart profile page

bench: $(DEV) ## CPU, latency and streams beside nginx; QUICK=1 is shorter
	$(BENCH_PYTHON) -m bench.run $(if $(QUICK),--quick) $(BENCH_ARGS)

bench-peers: ## install the peers that `make bench` also measures
	sh bench/peers.sh

soak: $(DEV) ## memory over a long run; SHORT=1 is shorter
	$(BENCH_PYTHON) -m bench.soak $(if $(SHORT),--short) $(SOAK_ARGS)

report: $(DEV) ## 80 real prompts through the sandbox; needs FEDERATION_DATA
	$(BENCH_PYTHON) -m bench.real_input $(REPORT_ARGS)

coldstart: $(DEV) ## from the command to the first answer
	$(BENCH_PYTHON) -m bench.coldstart

profile: $(DEV) ## where a worker spends its time
	$(BENCH_PYTHON) -m bench.profile_worker $(PROFILE_ARGS)

page: $(DEV) ## write the stored run into the performance page
	$(BENCH_PYTHON) -m bench.page
