# `make` alone lists what there is. Each target does all its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# Tells the lab that its messages name targets of this file.
export REPROLAB_BY_MAKE := 1

BIN := .venv/bin
REPROLAB := $(BIN)/reprolab
SCENARIOS := $(sort $(notdir $(patsubst %/compose.yaml,%,$(wildcard scenarios/*/compose.yaml))))

# The variables that each target takes; of `scenario-NAME` the part before the name stands here.
TAKES_scenario := TRIALS VARIANT EXPERIMENT JOBS SEED BUDGET CONFIDENCE KEEP KEEP_GOING JUNIT KERNEL ARGS
TAKES_matrix := OVER CLAIM EXPERIMENT TRIALS BUDGET FRESH PLAN SEED JOBS SHOW ENGINES SCHEDULER SHARE_IMAGES KERNEL ARGS
TAKES_shrink := CLAIM TRIALS EXPERIMENT BUDGET FRESH SEED JOBS PLAN ENGINES SCHEDULER SHARE_IMAGES KERNEL ARGS
TAKES_bisect := FACTOR CLAIM EXPERIMENT CONFIDENCE LEAST_RATE GAP POINTS TRIALS BUDGET FRESH SEED JOBS PLAN DEEP SOURCE ENGINES SCHEDULER SHARE_IMAGES KERNEL ARGS
TAKES_diagnose := LOG CONFIG REQUIREMENTS ARGS
TAKES_watch := SCENARIOS ARGS
TAKES_list := ARGS
TAKES_judge := RUN OBSERVE JUNIT ARGS
TAKES_html := RUN ARGS
TAKES_compare := RUN A B VARIANT HTML ARGS
TAKES_site := ARGS
TAKES_accept := RUN THIN ARGS
TAKES_bugreport := RUN FROM ARGS
TAKES_report := TRIALS FROM ARGS
TAKES_export := VARIANT FROM ARGS
TAKES_up := AS ARGS
TAKES_wrk := AS ARGS
TAKES_logs := AS ARGS
TAKES_down := AS ARGS
TAKES_demo := AUTO REPLAY SPEED ARGS
TAKES_bundle := SCENARIOS SIGN ARGS
TAKES_load := BUNDLE VERIFY ARGS
TAKES_test := PYTEST
TAKES_test-fast := PYTEST
TAKES_lint :=
TAKES_pins := SCENARIOS ARGS
TAKES_format :=
TAKES_bench := ARGS
TAKES_chaos := ARGS
TAKES_soak := ARGS
TAKES_docs := ARGS
TAKES_new-scenario := NAME ADD ARGS
TAKES_lock := NAME
TAKES_doctor := ARGS
TAKES_clean := ARGS
TAKES_setup :=
TAKES_help :=
# These take factors too: every VARIABLE=value that is no word of the lab.
WITH_FACTORS := scenario matrix shrink bisect up

KINDS := $(patsubst TAKES_%,%,$(filter TAKES_%,$(.VARIABLES)))
LAB_WORDS := $(sort PYTHON_BIN $(foreach kind,$(KINDS),$(TAKES_$(kind))))
# The settings of the lab, REPROLAB_..., get into the environment by make itself.
GIVEN := $(filter-out REPROLAB_% -*-%,$(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name))))
FACTORS := $(sort $(filter-out $(LAB_WORDS),$(GIVEN)))
CALLED := $(foreach goal,$(or $(MAKECMDGOALS),help),$(or $(filter $(goal),$(KINDS)),$(firstword $(subst -, ,$(goal)))))
TAKEN := $(foreach kind,$(CALLED),$(TAKES_$(kind)))
# make keeps only the last value of a variable that its command line sets twice; where there is no /proc, nobody can tell.
TWICE := $(sort $(shell 2>/dev/null </proc/$$PPID/cmdline tr '\n\0' ' \n' | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\):*=.*/\1/p' | sort | uniq -d))
# What was given on the command line, and what no target of this call takes.
LEFT_OVER := $(sort $(filter-out $(TAKEN) PYTHON_BIN $(if $(filter $(WITH_FACTORS),$(CALLED)),$(FACTORS)),$(GIVEN)))

# The lab writes its exit status here at its end, since make turns every status except 0 into 2. The file is missing if
# the lab was killed, or if the target calls no command of the lab.
LAST_STATUS := $(or $(REPROLAB_RESULTS),results)/last-status
export REPROLAB_STATUS_FILE := $(LAST_STATUS)
test test-fast pictures lint bench chaos soak format lock: export REPROLAB_STATUS_FILE :=

# A value as one word of the shell.
quoted = '$(subst ','\'',$(1))'
SET := $(foreach factor,$(FACTORS),--set $(call quoted,$(factor)=$($(factor))))
# AS has a value of make's own; only the one on the command line is the name of a stack.
NAMED := $(if $(findstring command line,$(origin AS)),--as $(call quoted,$(AS)))
# Other programs have a variable of this name in the environment.
# An empty one is an error of the command: it would run on this kernel.
ON_KERNEL := $(findstring command line,$(origin KERNEL))
JUNIT_FILE := $(if $(JUNIT),--junit $(call quoted,$(JUNIT)))
RUN_OPTIONS := $(foreach one,$(VARIANT),--variant $(call quoted,$(one))) $(if $(TRIALS),--trials $(call quoted,$(TRIALS))) \
	$(if $(JOBS),--jobs $(call quoted,$(JOBS))) $(if $(SEED),--seed $(call quoted,$(SEED))) \
	$(if $(BUDGET),--budget $(call quoted,$(BUDGET))) $(if $(CONFIDENCE),--confidence $(call quoted,$(CONFIDENCE))) \
	$(if $(KEEP_GOING),--keep-going) $(if $(KEEP),--keep) \
	$(if $(ON_KERNEL),--kernel $(call quoted,$(KERNEL))) $(JUNIT_FILE) $(SET) $(ARGS)
# What the questions over many cells have in common.
QUESTION_OPTIONS = $(if $(TRIALS),--trials $(call quoted,$(TRIALS))) \
	$(if $(BUDGET),--budget $(call quoted,$(BUDGET))) $(if $(FRESH),--fresh) $(if $(PLAN),--plan) \
	$(if $(SEED),--seed $(call quoted,$(SEED))) $(if $(JOBS),--jobs $(call quoted,$(JOBS))) \
	$(if $(ENGINES),--engines $(call quoted,$(ENGINES))) $(if $(SCHEDULER),--scheduler $(call quoted,$(SCHEDULER))) \
	$(if $(SHARE_IMAGES),--share-images) $(if $(ON_KERNEL),--set $(call quoted,KERNEL=$(KERNEL))) $(SET) $(ARGS)
ASKED_CLAIM = $(if $(CLAIM),--claim $(call quoted,$(CLAIM)))
BISECT_OPTIONS = $(if $(CONFIDENCE),--confidence $(call quoted,$(CONFIDENCE))) \
	$(if $(LEAST_RATE),--least-rate $(call quoted,$(LEAST_RATE))) $(if $(GAP),--gap $(call quoted,$(GAP))) \
	$(if $(POINTS),--points $(call quoted,$(POINTS))) $(if $(SOURCE),--source $(call quoted,$(SOURCE))) $(if $(DEEP),--deep)
# FROM=shrink: the newest shrink of the scenario.
FROM_SHRINK := $(if $(FROM),--from $(call quoted,$(FROM)))
# PYTHON on make's command line is a factor of the stacks; the interpreter of .venv is PYTHON_BIN, or PYTHON in
# the environment.
INTERPRETER = PYTHON=$(call quoted,$(or $(PYTHON_BIN),$(if $(filter environment,$(origin PYTHON)),$(PYTHON))))

# What to say, in make's words, where a variable was forgotten: what is missing, what is expected, an example.
lacks = printf '%s\n' 'make $@: $(1)' '  expected: $(2)' '  to do:    make $@ $(3)' >&2; exit 2
A_RUN := a run directory, SCENARIO/STAMP, or SCENARIO for its newest run that fits

##@ Put a document to the test
.PHONY: $(addprefix scenario-,$(SCENARIOS))
$(addprefix scenario-,$(SCENARIOS)): scenario-%: setup ## run every experiment of a scenario and judge its claims
	@$(REPROLAB) run $*$(if $(EXPERIMENT),/$(call quoted,$(EXPERIMENT))) $(RUN_OPTIONS)

.PHONY: watch
watch: setup ## do all verdicts still hold? one trial of each needed variant; names what changed; SCENARIOS="a b" for some
	@$(REPROLAB) watch $(if $(filter command line,$(origin SCENARIOS)),$(SCENARIOS)) $(ARGS)

.PHONY: list
list: setup ## the scenarios with their variants and factors; ARGS="gunicorn hang" for some
	@$(REPROLAB) list $(ARGS)

.PHONY: judge
judge: setup ## judge a run again from its files: make judge RUN=socket-vanish; OBSERVE=1 reads the logs again first
	@$(if $(RUN),$(REPROLAB) judge $(call quoted,$(RUN))$(if $(OBSERVE), --observe) $(JUNIT_FILE) $(ARGS),$(call lacks,no RUN is given,$(A_RUN),RUN=socket-vanish))

.PHONY: html
html: setup ## write a run's report.html anew from its files: make html RUN=socket-vanish
	@$(if $(RUN),$(REPROLAB) html $(call quoted,$(RUN)) $(ARGS),$(call lacks,no RUN is given,$(A_RUN),RUN=socket-vanish))

# A is a variant of RUN, or a run of its own; B likewise: make compare A=RUN B=RUN VARIANT=documented. A copy that
# `make logs-...` kept of a stack by hand is compared in the same way: make compare A=by-hand/socket-vanish/one B=...
.PHONY: compare
compare: setup ## what differs: make compare RUN=socket-vanish A=documented B=gunicorn-19.5.0 [HTML=file]
	@$(if $(word 2,$(RUN) $(A) $(B)),$(REPROLAB) compare $(foreach side,RUN A B,$(if $($(side)),$(call quoted,$($(side))))) \
		$(foreach one,$(VARIANT),--variant $(call quoted,$(one))) $(if $(HTML),--html $(call quoted,$(HTML))) $(ARGS),$(call lacks,nothing to compare is given,RUN with A and B or two runs as A and \
		B,RUN=socket-vanish A=documented B=gunicorn-19.5.0))

.PHONY: site
site: setup ## all scenarios, claims and reports as pages to read without a network: results/site/
	@$(REPROLAB) site $(ARGS)

.PHONY: accept
accept: setup ## put a reviewed run on record: make accept RUN=socket-vanish; THIN=1 with verdicts that could be chance
	@$(if $(RUN),$(REPROLAB) accept $(call quoted,$(RUN))$(if $(THIN), --thin) $(ARGS),$(call lacks,no RUN is given,$(A_RUN),RUN=socket-vanish))

##@ Ask your own question
.PHONY: $(addprefix matrix-,$(SCENARIOS))
$(addprefix matrix-,$(SCENARIOS)): matrix-%: setup ## a map of the sign: OVER="GUNICORN=19.4.5..20.1.0 THREADS=1,5"; PLAN=1 runs nothing
	@$(REPROLAB) matrix $*$(if $(EXPERIMENT),/$(call quoted,$(EXPERIMENT))) $(foreach one,$(OVER),--over $(call quoted,$(one))) \
		$(if $(SHOW),--show $(call quoted,$(SHOW))) $(foreach one,$(CLAIM),--claim $(call quoted,$(one))) $(QUESTION_OPTIONS)

.PHONY: $(addprefix bisect-,$(SCENARIOS))
$(addprefix bisect-,$(SCENARIOS)): bisect-%: setup ## where a sign comes and goes: make bisect-NAME FACTOR=GUNICORN CLAIM=ID; FACTOR="GUNICORN=A..B" for a range
	@$(REPROLAB) bisect $*$(if $(EXPERIMENT),/$(call quoted,$(EXPERIMENT))) $(if $(FACTOR),--factor $(call quoted,$(FACTOR))) $(ASKED_CLAIM) $(BISECT_OPTIONS) $(QUESTION_OPTIONS)

.PHONY: $(addprefix shrink-,$(SCENARIOS))
$(addprefix shrink-,$(SCENARIOS)): shrink-%: setup ## the least stack that still shows the sign in every trial: make shrink-NAME CLAIM=ID; PLAN=1 runs nothing
	@$(REPROLAB) shrink $*$(if $(EXPERIMENT),/$(call quoted,$(EXPERIMENT))) $(ASKED_CLAIM) $(QUESTION_OPTIONS)

.PHONY: diagnose
diagnose: setup ## which of the cases does a log show? LOG="app.log proxy.log.gz" CONFIG=gunicorn.conf.py REQUIREMENTS=file
	@$(if $(LOG),$(REPROLAB) diagnose $(foreach one,$(LOG),$(call quoted,$(one))) $(foreach one,$(CONFIG),--config $(call quoted,$(one))) \
		$(foreach one,$(REQUIREMENTS),--requirements $(call quoted,$(one))) $(ARGS),$(call lacks,no LOG is given,one or more logs or - for \
		standard input,LOG=app.log))

##@ Hand a case over
.PHONY: $(addprefix bugreport-,$(SCENARIOS))
$(addprefix bugreport-,$(SCENARIOS)): bugreport-%: setup ## bug reports to file upstream, from the newest run that shows the bug and its control; FROM=shrink adds the least stack
	@$(REPROLAB) bugreport $(call quoted,$(or $(RUN),$*)) --scenario $* $(FROM_SHRINK) $(ARGS)

.PHONY: $(addprefix report-,$(SCENARIOS))
$(addprefix report-,$(SCENARIOS)): report-%: setup ## from nothing to bug reports: runs the variants that they need, then writes them
	@$(REPROLAB) bugreport $* --run $(if $(TRIALS),--trials $(call quoted,$(TRIALS))) $(FROM_SHRINK) $(ARGS)

.PHONY: $(addprefix export-,$(SCENARIOS))
$(addprefix export-,$(SCENARIOS)): export-%: setup ## a directory and a .tar.gz that show the case with Docker alone; FROM=shrink: the least stack
	@$(REPROLAB) export $* $(foreach one,$(VARIANT),--variant $(call quoted,$(one))) $(FROM_SHRINK) $(ARGS)

##@ Poke at a stack by hand
.PHONY: $(addprefix up-,$(SCENARIOS))
$(addprefix up-,$(SCENARIOS)): up-%: setup ## bring the stack up: make up-NAME GUNICORN=19.5.0; AS=name for one beside it, also below
	@$(REPROLAB) up $* $(NAMED) $(SET) $(ARGS)

.PHONY: $(addprefix wrk-,$(SCENARIOS))
$(addprefix wrk-,$(SCENARIOS)): wrk-%: setup ## put load on it: 10 threads, 200 connections, 10 s; ARGS="--connections 20"
	@$(REPROLAB) wrk $* $(NAMED) $(ARGS)

.PHONY: $(addprefix logs-,$(SCENARIOS))
$(addprefix logs-,$(SCENARIOS)): logs-%: setup ## its logs by one clock, ARGS=--errors for errors only; the whole of them is kept in results/by-hand/
	@$(REPROLAB) logs $* $(NAMED) $(ARGS)

.PHONY: $(addprefix down-,$(SCENARIOS))
$(addprefix down-,$(SCENARIOS)): down-%: setup ## take it down
	@$(REPROLAB) down $* $(NAMED) $(ARGS)

##@ Show a case to an audience
.PHONY: $(addprefix demo-,$(SCENARIOS))
$(addprefix demo-,$(SCENARIOS)): demo-%: setup ## play a case on a stage; AUTO=8 without keys, REPLAY=RUN without Docker
	@$(REPROLAB) demo $* $(if $(AUTO),--auto=' '$(call quoted,$(AUTO))) $(if $(REPLAY),--replay $(call quoted,$(REPLAY))) $(if $(SPEED),--speed $(call quoted,$(SPEED))) $(ARGS)

.PHONY: bundle
bundle: setup ## all that a machine without network needs, in one file; SCENARIOS="a b" for some, SIGN=KEY
	@$(REPROLAB) bundle $(if $(filter command line,$(origin SCENARIOS)),$(SCENARIOS)) $(if $(SIGN),--sign $(call quoted,$(SIGN))) $(ARGS)

.PHONY: load
load: ## make a machine without network ready: make load BUNDLE=results/bundle-....tar; VERIFY=ALLOWED_SIGNERS
	@$(INTERPRETER) scripts/load $(call quoted,$(BUNDLE)) $(if $(VERIFY),--verify $(call quoted,$(VERIFY))) $(ARGS)

# Any other word is a mistyped target: nothing is run. So is the name of a file or directory here, such as `tests`.
FILES := $(filter-out Makefile $(KINDS),$(wildcard *))
define NO_TARGET
@$(INTERPRETER) scripts/bootstrap
@$(REPROLAB) no-target $(call quoted,$@) $(KINDS)
endef
.PHONY: $(FILES)
$(FILES):
	$(NO_TARGET)
.DEFAULT:
	$(NO_TARGET)

##@ Work on the lab
# pytest's status 5, "no test was run": fine where PYTEST chooses tests that one of the two calls does not have.
NONE_CHOSEN := $(if $(PYTEST), || [ $$? -eq 5 ])

.PHONY: test
test: setup ## all checks and tests: pins, lint, unit tests, then real containers
	@$(REPROLAB) doctor
	@$(REPROLAB) pins
	@scripts/test-tools
	@$(BIN)/python scripts/lint.py
	@# Tests on containers mostly wait, so four at once suit two cores.
	@$(BIN)/pytest -n 4 --dist loadfile --durations 8 -m 'not alone' $(PYTEST)$(NONE_CHOSEN)
	@$(BIN)/pytest --durations 12 -m alone $(PYTEST)$(NONE_CHOSEN)

.PHONY: test-fast
test-fast: setup ## the tests that need no Docker: two minutes on two cores
	@$(BIN)/pytest -n auto --maxprocesses 4 -m 'not docker and not slow' $(PYTEST)

.PHONY: pictures
pictures: setup ## accept how the pages look now: draws the pictures that the tests compare, and writes those that differ
	@$(BIN)/python tests/pictures.py

.PHONY: lint
lint: setup ## ruff, mypy, hadolint, shellcheck, actionlint, compose files, generated pages
	@$(BIN)/python scripts/lint.py

.PHONY: pins
pins: setup ## can every pinned package still be had? builds nothing; SCENARIOS="a b" for some, ARGS=-v for all answers
	@$(REPROLAB) pins $(if $(filter command line,$(origin SCENARIOS)),$(SCENARIOS)) $(ARGS)

.PHONY: format
format: setup ## let ruff put the code in shape
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

.PHONY: bench
bench: setup ## what the lab itself costs: ratios, not verdicts; ARGS=--judge or --diagnose: how often these are wrong
	@$(BIN)/python scripts/bench.py $(ARGS)

.PHONY: chaos
chaos: setup ## break real runs in some seventy ways, and check what docs/reliability.md promises; ARGS="--only WORD"
	@$(BIN)/python -m chaos $(ARGS)

.PHONY: soak
soak: setup ## judge cases again and again, half of the time beside other work; ARGS="--runs 20"
	@$(BIN)/python scripts/soak.py $(ARGS)

.PHONY: docs
docs: setup ## write the generated parts of the pages
	@$(REPROLAB) docs $(ARGS)

.PHONY: new-scenario
new-scenario: setup ## lay out a new scenario: make new-scenario NAME=my-case; at once or later ADD="bugreport reproducer demo"
	@$(if $(NAME),$(REPROLAB) new-scenario $(call quoted,$(NAME)) $(foreach one,$(ADD),--add $(call quoted,$(one))) $(ARGS),$(call lacks,no NAME is given,a name in lower case,NAME=my-case))

.PHONY: lock
lock: setup ## write requirements.lock and the hashes in all lists of packages anew; pins stay (needs uv). NAME=my-case: its lists only
	@command -v uv >/dev/null || { $(call lacks,uv is not on the PATH,uv,after: pip install uv); }
	@$(if $(NAME),,uv pip compile --quiet --extra dev --generate-hashes --python-version 3.11.2 --no-header -o requirements.lock pyproject.toml)
	@$(BIN)/python scripts/lock.py $(call quoted,$(NAME))

##@ Keep house
.PHONY: doctor
doctor: setup ## what the lab finds on this machine; sets up what is missing
	@$(REPROLAB) doctor $(ARGS)

.PHONY: clean
clean: setup ## remove what killed runs and stacks by hand left behind; ARGS="--images" or "--bundles" too
	@$(REPROLAB) clean $(ARGS)

.PHONY: setup
setup:
	@rm -f $(call quoted,$(LAST_STATUS))
	@$(INTERPRETER) scripts/bootstrap
	@$(if $(TWICE),$(REPROLAB) given-twice $(call quoted,$(firstword $(MAKECMDGOALS))) $(TWICE))
	@$(if $(LEFT_OVER),$(REPROLAB) no-word $(call quoted,$(firstword $(MAKECMDGOALS))) $(addprefix --takes ,$(TAKEN)) $(LEFT_OVER))

.PHONY: help
help: ## this list
	@[ -t 1 ] && [ -z "$$NO_COLOR" ] && [ "$$TERM" != dumb ] && colour=1; \
	awk -v scenarios='$(SCENARIOS)' -v colour="$$colour" ' \
		function in_colour(code, text) { return colour ? sprintf("\033[%dm%s\033[0m", code, text) : text } \
		function entry(name, text) { printf "  %s %s\n", in_colour(36, sprintf("%-28s", name)), text } \
		/^##@/ { printf "\n%s\n", in_colour(1, substr($$0, 5)) } \
		/^[$$a-zA-Z_-].*: .*## / { \
			text = $$0; sub(/^.*## /, "", text); \
			if (match($$0, /addprefix [a-z]+-/)) { \
				prefix = substr($$0, RSTART + 10, RLENGTH - 10); \
				n = split(scenarios, names, " "); \
				if (prefix != "scenario-") entry(prefix "NAME", text); \
				else for (i = 1; i <= n; i++) entry(prefix names[i], text); \
			} else { name = $$1; sub(/:.*/, "", name); entry(name, text) } \
		}' $(firstword $(MAKEFILE_LIST))
	@printf '\nscenario-* take VARIANT="a b", TRIALS=n, EXPERIMENT=name, JOBS=n, SEED=n, KEEP=1, KEEP_GOING=1, JUNIT=file, KERNEL=5.10 (docs/kernels.md), or factors of your own: GUNICORN=19.5.0\n'
	@printf 'matrix-*, bisect-* and shrink-* take KERNEL too: OVER=KERNEL=5.10,6.1 FACTOR=KERNEL=5.10,6.1\n'
	@printf 'they go in rounds, each with one trial of every variant: BUDGET=5m ends with the round that reaches it,\nCONFIDENCE=99 goes on until every judged claim has p at most 0.01; Ctrl-C keeps the verdict so far\n'
	@printf 'make turns every exit status of the lab except 0 into 2; results/last-status has the status of the lab (docs/ci.md)\n'
