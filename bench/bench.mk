# Measuring. The Makefile at the root includes this file.
#   make bench            everything side by side; QUICK=1 for the short version
#   make bench-peers      installs the peers into .peers/, each in an environment of its own
#   make soak             200,000 requests and 2,000 streams; SHORT=1 for the version of CI
#   make report           80 real prompts through the sandbox with `auto`
#   make profile          where a worker spends its time

BENCH_PYTHON ?= .venv/bin/python

.PHONY: bench bench-peers soak report coldstart profile

bench:
	$(BENCH_PYTHON) -m bench.run $(if $(QUICK),--quick) $(BENCH_ARGS)

bench-peers:
	sh bench/peers.sh

soak:
	$(BENCH_PYTHON) -m bench.soak $(if $(SHORT),--short) $(SOAK_ARGS)

report:
	$(BENCH_PYTHON) -m bench.real_input $(REPORT_ARGS)

coldstart:
	$(BENCH_PYTHON) -m bench.coldstart

profile:
	$(BENCH_PYTHON) -m bench.profile_worker $(PROFILE_ARGS)
