# The one door: make, make check, make demo, make bench, make fuzz, make install.
# Sources are listed by name. Objects go to $(BUILD); nothing is written beside the sources.

.DEFAULT_GOAL := all

BUILD   ?= build
CC      ?= cc
AR      ?= ar
PREFIX  ?= /usr/local
OPT     ?= -O2
VERSION := 0.1.0

CFLAGS  ?= $(OPT) -g -fno-omit-frame-pointer
CFLAGS_ALL = -std=c11 -D_POSIX_C_SOURCE=200809L -fno-common -ffp-contract=off -DCOALMINE_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen $(CFLAGS) $(WARN) $(WERROR)
WARN    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
          -Wold-style-definition -Wcast-qual -Wcast-align -Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum \
          -Wdouble-promotion -Wnull-dereference -Wimplicit-fallthrough -Wdate-time
WERROR  ?= $(if $(CI),-Werror)
LDLIBS_ALL = -lyaml -lcjson -lz -lsqlite3 -lcurl -lmicrohttpd -lcrypto -lpthread -lm

# ---- engine/: pure. make check proves it (scripts/purity.sh) ------------------------------------------
ENGINE_SRCS := \
	engine/checksum.c \
	engine/decimal.c \
	engine/engine.c \
	engine/facts.c \
	engine/judge.c \
	engine/names.c \
	engine/num.c \
	engine/render.c \
	engine/spec.c \
	engine/status.c \
	engine/text.c

# ---- sim/ ---------------------------------------------------------------------------------------------
SIM_SRCS := \
	sim/evq.c \
	sim/forecast.c \
	sim/metric.c \
	sim/capacity.c \
	sim/models.c \
	sim/models_exact.c \
	sim/models_judge.c \
	sim/models_policy.c \
	sim/models_run.c \
	sim/record.c \
	sim/rng.c \
	sim/run.c \
	sim/stat.c \
	sim/stat_math.c \
	sim/world.c \
	sim/world_outside.c

# ---- adapters/ ----------------------------------------------------------------------------------------
BASE_SRCS := \
	adapters/base/arena.c \
	adapters/base/chars.c \
	adapters/base/clock.c \
	adapters/base/diag.c \
	adapters/base/json.c \
	adapters/base/json_node.c \
	adapters/base/json_pool.c \
	adapters/base/json_read.c \
	adapters/base/json_tolerant.c \
	adapters/base/nearest.c \
	adapters/base/strbuf.c \
	adapters/base/yaml_out.c
MANIFEST_SRCS := \
	adapters/manifest/canary.c \
	adapters/manifest/judge.c \
	adapters/manifest/node.c \
	adapters/manifest/parse.c \
	adapters/manifest/parse_tree.c \
	adapters/manifest/reader.c \
	adapters/manifest/scalar.c
CLI_SRCS := \
	adapters/cli/gnuplot.c \
	adapters/cli/main.c \
	adapters/cli/verb_explain.c \
	adapters/cli/verb_cluster.c \
	adapters/cli/verb_help.c \
	adapters/cli/verb_loadtester.c \
	adapters/cli/verb_render.c \
	adapters/cli/verb_replay.c \
	adapters/cli/verb_report.c
# the frame of the command line is tested as a library, with a table of verbs of its own
CLI_FRAME_SRCS := \
	adapters/cli/args.c \
	adapters/cli/complete.c \
	adapters/cli/explain.c \
	adapters/cli/help.c \
	adapters/cli/profile.c

ROUTER_SRCS := \
	adapters/router/affinity.c \
	adapters/router/apisix.c \
	adapters/router/apply.c \
	adapters/router/appmesh.c \
	adapters/router/appmesh_common.c \
	adapters/router/appmesh_v1beta2.c \
	adapters/router/build.c \
	adapters/router/canary_shape.c \
	adapters/router/contour.c \
	adapters/router/features.c \
	adapters/router/gateway.c \
	adapters/router/gateway_rules.c \
	adapters/router/gloo.c \
	adapters/router/istio.c \
	adapters/router/knative.c \
	adapters/router/kubernetes.c \
	adapters/router/kuma.c \
	adapters/router/nginx.c \
	adapters/router/objectmap.c \
	adapters/router/quirks.c \
	adapters/router/render.c \
	adapters/router/resources.c \
	adapters/router/router.c \
	adapters/router/service.c \
	adapters/router/shape.c \
	adapters/router/skipper.c \
	adapters/router/smi.c \
	adapters/router/traefik.c

STORE_SRCS := \
	adapters/replay/code.c \
	adapters/replay/record.c \
	adapters/replay/replay.c \
	adapters/replay/whatif.c \
	adapters/store/flight.c \
	adapters/store/drawing.c \
	adapters/store/page.c \
	adapters/store/page_run.c \
	adapters/store/page_sweep.c \
	adapters/store/picture_curve.c \
	adapters/store/picture_fan.c \
	adapters/store/picture_heatmap.c \
	adapters/store/picture_pareto.c \
	adapters/store/picture_timeline.c \
	adapters/store/rows.c \
	adapters/store/store.c \
	adapters/store/sweep.c

METRICS_SRCS := \
	adapters/hook/hook.c \
	adapters/hook/hook_call.c \
	adapters/loadtester/command.c \
	adapters/loadtester/loadtester.c \
	adapters/metrics/answer_json.c \
	adapters/metrics/builtin.c \
	adapters/metrics/gotext.c \
	adapters/metrics/promql_lint.c \
	adapters/metrics/provider.c \
	adapters/metrics/provider_datadog.c \
	adapters/metrics/provider_dynatrace.c \
	adapters/metrics/provider_graphite.c \
	adapters/metrics/provider_newrelic.c \
	adapters/metrics/provider_prometheus.c \
	adapters/metrics/provider_run.c \
	adapters/metrics/template_exec.c \
	adapters/metrics/template_func.c \
	adapters/metrics/template_lex.c \
	adapters/metrics/template_literal.c \
	adapters/metrics/template_parse.c \
	adapters/metrics/template_print.c \
	adapters/metrics/url.c \
	adapters/notify/notify.c \
	adapters/notify/notify_send.c

ADAPTER_SRCS = $(METRICS_SRCS) $(CLI_FRAME_SRCS) $(STORE_SRCS) $(BASE_SRCS) $(MANIFEST_SRCS) $(HTTP_SRCS) $(ROUTER_SRCS)

# ---- adapters/check, crds/, docs/checks ----------------------------------------------------------------
CHECK_SRCS := \
	adapters/check/check.c \
	adapters/check/config.c \
	adapters/check/cross.c \
	adapters/check/finding.c \
	adapters/check/json_schema.c \
	adapters/check/ladder.c \
	adapters/check/object.c \
	adapters/check/outcome.c \
	adapters/check/readers.c \
	adapters/check/rules.c \
	adapters/check/rules_hooks.c \
	adapters/check/rules_metrics.c \
	adapters/check/rules_provider.c \
	adapters/check/rules_query.c \
	adapters/check/rules_steps.c \
	adapters/check/rules_templates.c \
	adapters/check/rules_timing.c \
	adapters/check/scenario.c \
	adapters/check/schema.c \
	adapters/check/suppress.c \
	adapters/check/view.c \
	adapters/check/write.c
# text files that the program carries as tables: the schemas, and a page for each rule
CRDS := crds/canary.yaml crds/metrictemplate.yaml crds/alertprovider.yaml
PAGES := $(sort $(wildcard docs/checks/CM*.md))
EMBEDDED := $(BUILD)/gen/embedded_crds.o $(BUILD)/gen/embedded_pages.o
ADAPTER_SRCS += $(CHECK_SRCS)
CLI_SRCS += adapters/cli/check_cluster.c adapters/cli/verb_check.c

# ---- tests: one program per suite; each links everything but the command line --------------------------
UNIT_TESTS := \
	tests/unit/test_arena.c \
	tests/unit/test_canary_decode.c \
	tests/unit/test_diag.c \
	tests/unit/test_strbuf.c \
	tests/unit/test_engine.c \
	tests/unit/test_engine_lives.c \
	tests/unit/test_check.c \
	tests/unit/test_check_pages.c \
	tests/unit/test_check_schema.c \
	tests/unit/test_checksum.c \
	tests/unit/test_cli.c \
	tests/unit/test_forecast.c \
	tests/unit/test_hook.c \
	tests/unit/test_json.c \
	tests/unit/test_node.c \
	tests/unit/test_metrics_live.c \
	tests/unit/test_num.c \
	tests/unit/test_promql_lint.c \
	tests/unit/test_picture.c \
	tests/unit/test_record.c \
	tests/unit/test_rng.c \
	tests/unit/test_router_deviations.c \
	tests/unit/test_router_features.c \
	tests/unit/test_router_render.c \
	tests/unit/test_store.c \
	tests/unit/test_template.c
# ---- scenarios -------------------------------------------------------------------------------------------
SCENARIO_SRCS := \
	adapters/scenario/field.c \
	adapters/scenario/judge.c \
	adapters/scenario/points.c \
	adapters/scenario/read_expect.c \
	adapters/scenario/read_metrics.c \
	adapters/scenario/read_world.c \
	adapters/scenario/scenario.c \
	adapters/scenario/series.c \
	adapters/scenario/show.c \
	adapters/scenario/show_json.c
ADAPTER_SRCS += $(SCENARIO_SRCS)
CLI_SRCS += \
	adapters/cli/scenario_file.c \
	adapters/cli/scenario_walk.c \
	adapters/cli/verb_simulate.c \
	adapters/cli/verb_test.c
UNIT_TESTS += \
	tests/unit/test_metric.c \
	tests/unit/test_series.c \
	tests/unit/test_sim.c

# ---- the simulated Kubernetes API ------------------------------------------------------------------------
# it uses adapters/base, so it is archived with the adapters
SIMKUBE_SRCS := \
	adapters/simkube/serve.c \
	adapters/simkube/world.c \
	sim/kube/api.c \
	sim/kube/collect.c \
	sim/kube/crd.c \
	sim/kube/daemonset.c \
	sim/kube/defaults.c \
	sim/kube/deployment.c \
	sim/kube/discovery.c \
	sim/kube/faults.c \
	sim/kube/findings.c \
	sim/kube/hpa.c \
	sim/kube/kinds.c \
	sim/kube/patch.c \
	sim/kube/rbac.c \
	sim/kube/read.c \
	sim/kube/reply.c \
	sim/kube/schema.c \
	sim/kube/schema_validate.c \
	sim/kube/select.c \
	sim/kube/server.c \
	sim/kube/store.c \
	sim/kube/table.c \
	sim/kube/tasks.c \
	sim/kube/types.c \
	sim/kube/validate.c \
	sim/kube/watch.c \
	sim/kube/workload.c \
	sim/kube/write.c
ADAPTER_SRCS += $(SIMKUBE_SRCS)
UNIT_TESTS += \
	tests/unit/test_simkube.c \
	tests/unit/test_simworld.c

# ---- what-if -----------------------------------------------------------------------------------------------
WHATIF_SRCS := \
	adapters/whatif/database.c \
	adapters/whatif/histogram.c \
	adapters/whatif/source.c \
	adapters/whatif/sweep.c \
	adapters/whatif/trace.c \
	adapters/whatif/write.c
ADAPTER_SRCS += $(WHATIF_SRCS)
CLI_SRCS += \
	adapters/cli/diff_corpus.c \
	adapters/cli/verb_diff.c \
	adapters/cli/verb_merge.c \
	adapters/cli/verb_mutate.c \
	adapters/cli/verb_sweep.c \
	adapters/cli/verb_tune.c \
	adapters/cli/whatif_args.c
UNIT_TESTS += \
	tests/unit/test_judge.c \
	tests/unit/test_models.c \
	tests/unit/test_stat.c \
	tests/unit/test_traffic_live.c

# ---- HTTP and the Kubernetes API -------------------------------------------------------------------------
HTTP_SRCS := \
	adapters/http/lazy.c \
	adapters/http/curl_blocking.c \
	adapters/http/curl_transfer.c \
	adapters/http/fiber.c \
	adapters/http/http.c \
	adapters/http/loop.c \
	adapters/http/server.c \
	adapters/http/task.c
KUBE_SRCS := \
	adapters/kube/cache.c \
	adapters/kube/peek.c \
	adapters/kube/squeeze.c \
	adapters/kube/client.c \
	adapters/kube/config.c \
	adapters/kube/error.c \
	adapters/kube/events.c \
	adapters/kube/exec.c \
	adapters/kube/lease.c \
	adapters/kube/resource.c \
	adapters/kube/time.c \
	adapters/kube/watch.c
ADAPTER_SRCS += $(KUBE_SRCS)
UNIT_TESTS += \
	tests/unit/test_http.c \
	tests/unit/test_kube_cache.c \
	tests/unit/test_kube_client.c \
	tests/unit/test_kube_lease.c \
	tests/unit/test_loop.c \
	tests/unit/test_task.c

# ---- the operator ----------------------------------------------------------------------------------------
WORKLOAD_SRCS := \
	adapters/workload/configs.c \
	adapters/workload/knative.c \
	adapters/workload/plan.c \
	adapters/workload/pods.c \
	adapters/workload/quirks.c \
	adapters/workload/ready.c \
	adapters/workload/render.c \
	adapters/workload/scaler.c \
	adapters/workload/service.c \
	adapters/workload/target.c
OPERATOR_SRCS := \
	adapters/operator/emit.c \
	adapters/operator/gauges.c \
	adapters/operator/jobs.c \
	adapters/operator/judge.c \
	adapters/operator/log.c \
	adapters/operator/measure.c \
	adapters/operator/perform.c \
	adapters/operator/record.c \
	adapters/operator/secrets.c \
	adapters/operator/schedule.c \
	adapters/operator/status.c \
	adapters/operator/sync.c \
	adapters/operator/world.c
ADAPTER_SRCS += $(WORKLOAD_SRCS) $(OPERATOR_SRCS)
CLI_SRCS += adapters/cli/verb_command.c adapters/cli/verb_operator.c
UNIT_TESTS += \
	tests/unit/test_cluster_deviations.c \
	tests/unit/test_flight.c \
	tests/unit/test_poison.c \
	tests/unit/test_operator.c \
	tests/unit/test_operator_pace.c

# ---- the swarm: lives of the operator in the simulated cluster ---------------------------------------------
SWARM_SRCS := \
	adapters/swarm/file.c \
	adapters/swarm/judge.c \
	adapters/swarm/life.c \
	adapters/swarm/people.c \
	adapters/swarm/plan.c \
	adapters/swarm/prototype.c \
	adapters/swarm/servers.c \
	adapters/swarm/shares.c \
	adapters/swarm/shrink.c
ADAPTER_SRCS += $(SWARM_SRCS)
CLI_SRCS += adapters/cli/verb_swarm.c
UNIT_TESTS += \
	tests/unit/test_swarm.c

# bugs planted on purpose: these files again, with the bugs, ahead of the library
PLANT_SRCS := \
	adapters/operator/perform.c \
	adapters/operator/schedule.c \
	adapters/operator/status.c \
	adapters/operator/world.c \
	adapters/workload/pods.c \
	engine/engine.c
PLANT_MAIN := tests/plants/plants.c
PLANT_OBJS = $(patsubst %.c,$(BUILD)/plants-obj/%.o,$(PLANT_SRCS) $(PLANT_MAIN))

# scripts and programs that make check runs besides the unit tests, by path
CHECK_SCRIPTS := \
	tests/conformance/rollouts.sh \
	tests/golden/scenario_errors.sh \
	tests/conformance/adapters.sh \
	tests/golden/loadtester.sh \
	tests/conformance/routers.sh \
	scripts/lint.sh \
	scripts/purity.sh \
	tests/docs/check.pl \
	tests/docs/commands.sh \
	tests/golden/check.sh \
	tests/golden/check_ci.sh \
	tests/golden/cli.sh \
	tests/golden/explain.sh \
	tests/golden/report.sh \
	tests/golden/lint_check.sh \
	tests/golden/purity_check.sh \
	tests/golden/render.sh
CHECK_SCRIPTS += tests/golden/sweep.sh tests/golden/whatif.sh
CHECK_SCRIPTS += tests/simkube/flight.sh tests/simkube/operator.sh tests/simkube/calls.sh tests/simkube/kubectl.sh
CHECK_SCRIPTS += tests/golden/pictures.sh tests/web/page.sh
CHECK_SCRIPTS += tests/golden/scenarios.sh
CHECK_SCRIPTS += tests/golden/deviations.sh
CHECK_SCRIPTS += tests/cluster/compare_test.sh
CHECK_SCRIPTS += tests/golden/chart.sh
CHECK_SCRIPTS += tests/plants/check.sh
CHECK_SCRIPTS += tests/fuzz/replay.sh
CHECK_SCRIPTS += scripts/listed.sh

# ---- fuzzing: tests/fuzz/fuzz_x.c with its corpus in tests/fuzz/corpus/x ----------------------------------
FUZZ_TARGETS := \
	tests/fuzz/fuzz_canary.c \
	tests/fuzz/fuzz_check.c \
	tests/fuzz/fuzz_engine.c \
	tests/fuzz/fuzz_flight.c \
	tests/fuzz/fuzz_json.c \
	tests/fuzz/fuzz_kube_status.c \
	tests/fuzz/fuzz_kubeconfig.c \
	tests/fuzz/fuzz_metric_answer.c \
	tests/fuzz/fuzz_node.c \
	tests/fuzz/fuzz_operator.c \
	tests/fuzz/fuzz_promql_lint.c \
	tests/fuzz/fuzz_router.c \
	tests/fuzz/fuzz_simkube.c \
	tests/fuzz/fuzz_swarm.c \
	tests/fuzz/fuzz_traffic.c \
	tests/fuzz/fuzz_template.c \
	tests/fuzz/fuzz_watch_stream.c

# ---- figures: each program prints lines of name, value, unit, ratio, wanted, ok or short (bench/figure.h) ------
BENCHES := \
	bench/bench_check.c \
	bench/bench_engine.c \
	bench/bench_judge.c \
	bench/bench_node.c \
	bench/bench_simkube.c \
	bench/bench_store.c \
	bench/bench_whatif.c

FUZZ_TARGETS += \
	tests/fuzz/fuzz_csv.c \
	tests/fuzz/fuzz_merge.c \
	tests/fuzz/fuzz_openmetrics.c \
	tests/fuzz/fuzz_scenario.c \
	tests/fuzz/fuzz_series.c
BENCHES += bench/bench_scenario.c bench/bench_swarm.c bench/bench_operator.c

# the reports of all scenarios, built four ways, are the same bytes
.PHONY: same
same: $(BUILD)/.deps-fuzz
	+@BUILD=$(BUILD) scripts/same.sh

# --------------------------------------------------------------------------------------------------------
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
UNIT_BINS = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_TESTS))
LIBS = $(BUILD)/libadapters.a $(BUILD)/libsim.a $(BUILD)/libengine.a

.PHONY: poison
.PHONY: all bench check conformance clean deps fuzz fuzz-programs install lint sanitize valgrind
.DELETE_ON_ERROR:
# kept, but not .SECONDARY: that takes a missing object of an old source for made
.PRECIOUS: $(BUILD)/obj/%.o $(BUILD)/.deps-%

all: $(BUILD)/.deps-build $(BUILD)/coalmine $(BUILD)/conformance

deps: ; scripts/deps.sh build check web
$(BUILD)/.deps-%: scripts/deps.sh
	@mkdir -p $(@D)
	@scripts/deps.sh $*
	@touch $@

# Chromium opens a page in one test, which is skipped without it
$(BUILD)/.deps-web: scripts/deps.sh
	@mkdir -p $(@D)
	@scripts/deps.sh web || echo "no Chromium: tests/web/page.sh will be skipped" >&2
	@touch $@

$(BUILD)/obj/%.o: %.c | $(BUILD)/.deps-build
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# files that the program carries: reports/x.sql becomes the array x_sql in reports/x.sql.h
$(BUILD)/gen/%.h: % scripts/embed.sh
	@mkdir -p $(@D)
	@scripts/embed.sh $(subst .,_,$(subst -,_,$(notdir $*))) $* >$@
$(call obj,adapters/store/flight.c tests/fuzz/fuzz_flight.c): $(BUILD)/gen/reports/flight.sql.h
$(foreach picture,timeline curve heatmap pareto fan,\
    $(eval $(call obj,adapters/store/picture_$(picture).c): $(BUILD)/gen/reports/$(picture).gp.h))
$(call obj,adapters/store/page.c): $(BUILD)/gen/reports/page.html.h
$(call obj,adapters/store/page_run.c): $(BUILD)/gen/reports/page-run.html.h
$(call obj,adapters/store/page_sweep.c): $(BUILD)/gen/reports/page-sweep.html.h
$(call obj,adapters/store/store.c): $(BUILD)/gen/reports/schema.sql.h $(BUILD)/gen/reports/views.sql.h

$(BUILD)/gen/embedded_crds.c: $(CRDS) scripts/embed-table.sh
	@mkdir -p $(@D)
	@scripts/embed-table.sh embedded_crds $(CRDS) >$@
$(BUILD)/gen/embedded_pages.c: $(PAGES) scripts/embed-table.sh
	@mkdir -p $(@D)
	@scripts/embed-table.sh embedded_pages $(PAGES) >$@
$(EMBEDDED): $(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/libengine.a: $(call obj,$(ENGINE_SRCS))
	@rm -f $@; $(AR) rcs $@ $^
$(BUILD)/libsim.a: $(call obj,$(SIM_SRCS))
	@rm -f $@; $(AR) rcs $@ $^
$(BUILD)/libadapters.a: $(call obj,$(ADAPTER_SRCS)) $(EMBEDDED)
	@rm -f $@; $(AR) rcs $@ $^

$(BUILD)/coalmine: $(call obj,$(CLI_SRCS)) $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

# One list of API calls against the simulated cluster or a real one: build/calls CALLS.jsonl sim | URL TOKEN CA
$(BUILD)/calls: $(BUILD)/obj/tests/cluster/calls.o $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

# Recorded rollouts against the engine: build/conformance FILE.jsonl[.gz]...
CONFORMANCE_SRCS := \
	tests/conformance/rollouts.c \
	tests/conformance/spec_json.c
$(BUILD)/conformance: $(call obj,$(CONFORMANCE_SRCS)) $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

conformance: $(BUILD)/conformance
	$(BUILD)/conformance tests/conformance/flagger-1.44.jsonl.gz

# shared by suites: servers, certificates, stand-ins
TEST_SUPPORT_SRCS := \
	tests/prop/world.c \
	tests/support/certificates.c \
	tests/support/opworld.c \
	tests/support/script.c
$(BUILD)/libtestsupport.a: $(call obj,$(TEST_SUPPORT_SRCS))
	@rm -f $@; $(AR) rcs $@ $^

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/libtestsupport.a $(LIBS) | $(BUILD)/.deps-check
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(BUILD)/libtestsupport.a $(LIBS) $(shell pkg-config --libs check) $(LDLIBS_ALL)

$(BUILD)/conformance-adapters: $(BUILD)/obj/tests/conformance/adapters.o $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/conformance-routers: $(BUILD)/obj/tests/conformance/routers.o $(LIBS) | $(BUILD)/.deps-check
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBS) $(LDLIBS_ALL) -lz

# each fuzz target as a plain program that is given its corpus: no libFuzzer, any compiler, any sanitizer
REPLAY_BINS = $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/replay/%,$(FUZZ_TARGETS))
$(BUILD)/replay/%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/obj/tests/fuzz/replay.o $(BUILD)/libtestsupport.a $(LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/plants-obj/%.o: %.c | $(BUILD)/.deps-build
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -DCOALMINE_PLANTS -MMD -MP -c -o $@ $<
$(BUILD)/plants: $(PLANT_OBJS) $(LIBS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
# Which seeds of the swarm find them: some minutes
.PHONY: plants
plants: $(BUILD)/plants
	@$(BUILD)/plants

# Kill the operator at every call of a rollout, before and after its effect: a sample of it is in make check
.PHONY: crash-everywhere
crash-everywhere: $(BUILD)/tests/test_swarm
	@CK_FORK=no CK_RUN_CASE=crashes COALMINE_CRASH_EVERYWHERE=1 $(BUILD)/tests/test_swarm

check: $(BUILD)/plants
check: $(BUILD)/conformance $(BUILD)/conformance-adapters $(BUILD)/conformance-routers $(BUILD)/calls
check: $(BUILD)/.deps-check $(BUILD)/.deps-web all $(UNIT_BINS) $(REPLAY_BINS)
	@BUILD=$(BUILD) tests/run $(UNIT_BINS) $(CHECK_SCRIPTS)

# ---- the same tests under other eyes ------------------------------------------------------------------------
SANITIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
sanitize:
	+$(MAKE) BUILD=$(BUILD)/sanitize CFLAGS='$(SANITIZE)' check

valgrind: $(BUILD)/.deps-check $(BUILD)/.deps-fuzz $(UNIT_BINS)
	@tests/valgrind $(VALGRIND_ONLY:%=$(BUILD)/tests/%)
VALGRIND_ONLY ?= $(notdir $(UNIT_BINS))

# every mutation of the poison test, where make check plays a sample
poison: $(BUILD)/tests/test_poison ; POISON_STEP=1 $<

lint: ; @scripts/lint.sh

# Against a real control plane (tests/cluster/README.md). Says that it was skipped where none can be had.
CLUSTER_PROGRAMS := \
	tests/cluster/bare.c \
	tests/cluster/kube_test.c \
	tests/cluster/shop.c \
	tests/cluster/whoami.c \
	tests/cluster/world.c
# the long ones first, and alone the one that keeps the API server busy
CLUSTER_DRIVES := \
	tests/cluster/drives/kills.sh \
	tests/cluster/drives/leaders.sh \
	tests/cluster/drives/release.sh \
	tests/cluster/drives/providers.sh \
	tests/cluster/drives/targets.sh \
	tests/cluster/drives/autoscaler.sh \
	tests/cluster/drives/commands.sh \
	tests/cluster/drives/gates.sh \
	tests/cluster/drives/config.sh \
	tests/cluster/drives/deletion.sh \
	tests/cluster/drives/owners.sh \
	tests/cluster/drives/helm.sh -- \
	tests/cluster/drives/many.sh
CLUSTER_BINS = $(patsubst tests/cluster/%.c,$(BUILD)/cluster/%,$(CLUSTER_PROGRAMS))
$(BUILD)/cluster/%: $(BUILD)/obj/tests/cluster/%.o $(LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBS) $(LDLIBS_ALL)
.PHONY: cluster-check cluster-measure
cluster-check: $(BUILD)/calls $(BUILD)/coalmine $(CLUSTER_BINS)
	@BUILD=$(BUILD) tests/cluster/check $(CLUSTER_DRIVES)
# What the operator costs beside Flagger 1.44, on the same control plane
cluster-measure: $(BUILD)/cluster/bare $(BUILD)/cluster/world $(BUILD)/coalmine
	@BUILD=$(BUILD) tests/cluster/measure || [ $$? -eq 77 ]

# Each target runs for FUZZ_SECONDS on a copy of its corpus; what it finds stays in $(BUILD)/fuzz/found.
FUZZ_SECONDS ?= 60
FUZZ_ONLY ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_TARGETS))
FUZZ_CFLAGS = -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz: $(BUILD)/.deps-check
	+$(MAKE) BUILD=$(BUILD)/fuzz CC=clang CFLAGS='$(FUZZ_CFLAGS)' fuzz-programs
	@BUILD=$(BUILD)/fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(FUZZ_ONLY)
FUZZ_BINS = $(patsubst tests/fuzz/%.c,$(BUILD)/%,$(FUZZ_TARGETS))
fuzz-programs: $(FUZZ_BINS)
$(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(BUILD)/libtestsupport.a $(LIBS)
	$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(BUILD)/libtestsupport.a $(LIBS) $(LDLIBS_ALL)

BENCH_BINS = $(patsubst bench/%.c,$(BUILD)/bench/%,$(BENCHES))
$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(LIBS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIBS) $(LDLIBS_ALL)
bench: all $(BENCH_BINS) $(BUILD)/cluster/world
	@for program in $(BENCH_BINS); do $$program || exit 1; done
	@BUILD=$(BUILD) bench/scale

# One good and one bad release, and a picture of each. Packages are fetched in one go and the build is quiet.
demo:
	@scripts/deps.sh build report
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@$(BUILD)/coalmine simulate scenarios/demo/good.yaml scenarios/demo/bad.yaml --db $(BUILD)/demo.db
	@$(BUILD)/coalmine report $(BUILD)/demo.db --run good -o $(BUILD)/demo-good.png
	@$(BUILD)/coalmine report $(BUILD)/demo.db --run bad -o $(BUILD)/demo-bad.png
	@$(BUILD)/coalmine report $(BUILD)/demo.db --run bad --html -o $(BUILD)/demo-bad.html
	@echo; echo "pictures: $(BUILD)/demo-good.png $(BUILD)/demo-bad.png   page: $(BUILD)/demo-bad.html   database: $(BUILD)/demo.db"

# completions and the man page are printed by the program itself
DESTDIR ?=
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/coalmine
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -d $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	install -s -m 755 $(BUILD)/coalmine $(DESTDIR)$(PREFIX)/bin/coalmine
	$(BUILD)/coalmine help --man >$(DESTDIR)$(PREFIX)/share/man/man1/coalmine.1
	$(BUILD)/coalmine help --completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/coalmine
	$(BUILD)/coalmine help --completion zsh >$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_coalmine
	$(BUILD)/coalmine help --completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/coalmine.fish
	if [ -d scenarios ]; then cp -R scenarios $(DESTDIR)$(PREFIX)/share/coalmine/; fi

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj $(BUILD)/plants-obj -name '*.d' 2>/dev/null)
