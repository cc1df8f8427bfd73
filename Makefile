# SPDX-License-Identifier: GPL-3.0-or-later
# Hone. `make` builds build/hone; `make help` lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
OPT     ?= -O2 -g
SAN     ?=
WITH_DASHBOARD ?= 1
export WITH_DASHBOARD
Q       := $(if $(V),,@)

VERSION := 0.1.0
PKGS    := gsl libmicrohttpd jansson sqlite3 libcurl yaml-0.1 libsodium libpcre2-8 libnghttp2 libprotobuf-c

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
        -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wimplicit-fallthrough -Wno-format-nonliteral -Werror
PIC    := -fPIE
HARDEN  = $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong $(PIC)
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DHONE_VERSION='"$(VERSION)"' -Isrc -Ialgorithms -Iapi -I. -I$(BUILD)/generated \
        $(OPT) $(SAN) $(WARN) $(HARDEN) -fno-math-errno -pthread -MMD -MP $(CFLAGS)
# OpenBLAS gives cblas in place of GSL's own, which is several times slower.
# libcurl is loaded when it is needed (docs/decisions/0003), so it is not linked.
LIBS = $(shell pkg-config --libs $(filter-out libcurl,$(PKGS)) | sed 's/-lgslcblas/-lopenblas/') -lcsv -lm -pthread
LDFLAGS_ALL = $(SAN) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# One archive a folder, so that a test of a folder links it and what stands below it, and nothing else.
FOLDERS := base net model pipeline artifacts store collectors backends algorithms libhone core api grpc worker cli
DIRS_base := src/base
DIRS_net := src/net
DIRS_model := src/model
DIRS_pipeline := src/pipeline
DIRS_artifacts := src/artifacts
DIRS_store := src/store
DIRS_collectors := src/collectors
DIRS_backends := src/backends
DIRS_algorithms := algorithms algorithms/analysis algorithms/gp algorithms/tpe algorithms/cmaes algorithms/stop algorithms/math
DIRS_libhone := libhone
DIRS_core := src/core
DIRS_grpc := src/grpc
DIRS_api := api
DIRS_worker := src/worker
DIRS_cli := src/cli
FILES_cli := src/config.c

# What a folder is linked with, in order (tests/layers.txt says who may include whom).
LINK_base := base
LINK_net := net base
LINK_model := model base
LINK_pipeline := pipeline model base
LINK_artifacts := artifacts base
LINK_store := store model base
LINK_collectors := collectors model base
LINK_backends := backends net model base
LINK_algorithms := algorithms base
LINK_libhone := libhone algorithms model base
LINK_core := core store backends collectors libhone algorithms net pipeline artifacts model base
LINK_api := api core store backends collectors libhone algorithms net pipeline artifacts model base
LINK_worker := worker backends collectors net model base
LINK_grpc := grpc $(LINK_core)
LINK_cli := cli pipeline $(LINK_worker)

sources = $(foreach d,$(DIRS_$(1)),$(wildcard $(d)/*.c) $(wildcard $(d)/*.S)) $(FILES_$(1))
objects = $(patsubst %,$(BUILD)/%.o,$(basename $(call sources,$(1)))) $(GENERATED_$(1))
archive = $(BUILD)/lib/$(1).a

.PHONY: all demo test unit e2e layers check asan tsan fuzz fuzz-replay bench install uninstall clean help
.SECONDARY:

all: $(BUILD)/hone

help:
	@echo "make            build $(BUILD)/hone (WITH_DASHBOARD=0: without the dashboard, which needs node and npm)"
	@echo "make demo       install what is missing, build, tune a real model"
	@echo "make test       install what is missing, build, run every test"
	@echo "make check      format, layers, clang-tidy, cppcheck"
	@echo "make clients-venv  what the tests of other people's packages need, in $(BUILD) (HEAVY=1: the large ones too)"
	@echo "make asan       the tests under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make tsan       the tests under ThreadSanitizer"
	@echo "make fuzz       every fuzz target for SECONDS=60"
	@echo "make wheel      the Python client with the server in it, in $(BUILD)/wheel"
	@echo "make bench      measure, beside the bare limits"
	@echo "make lib        the search algorithms as a library, $(BUILD)/libhone.a and .so"
	@echo "make screenshots  a picture of each view of the dashboard"
	@echo "make install    to PREFIX=$(PREFIX), under DESTDIR"

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)echo "  CC $<" && $(CC) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) -I. -I$(BUILD) -c $< -o $@

# hone-run has no C library and no sanitizer whatever the rest has; process_run.S takes it in.
$(BUILD)/hone-run: src/hone_run/main.c src/hone_run/sys.h
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -Isrc -Os $(WARN) -ffreestanding -fno-stack-protector -fno-pie -fno-asynchronous-unwind-tables \
	    -static -nostdlib -Wl,--build-id=none,-z,noseparate-code,-z,norelro -s $< -o $@

$(BUILD)/src/backends/process_run.o: $(BUILD)/hone-run

# Messages of gRPC: what protoc-c makes is not held to our warnings.
GENERATED_grpc := $(patsubst src/grpc/%.proto,$(BUILD)/generated/%.pb-c.o,$(wildcard src/grpc/*.proto))
$(BUILD)/generated/%.pb-c.c: src/grpc/%.proto
	@mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(@D) -I src/grpc $<
$(BUILD)/generated/%.pb-c.o: $(BUILD)/generated/%.pb-c.c
	$(Q)$(CC) $(CFLAGS_ALL) -w -c $< -o $@
$(patsubst %,$(BUILD)/%.o,$(basename $(call sources,grpc)) tests/fuzz/fuzz_grpc): $(GENERATED_grpc)

$(BUILD)/src/store/schema.o: $(wildcard src/store/schema/*.sql)

# The dashboard (api/web) is bundled by esbuild, which npm brings, into $(BUILD)/web; assets.S takes it in from there.
WEB_PACKAGES := api/web/node_modules/.package-lock.json

$(WEB_PACKAGES): api/web/package.json api/web/package-lock.json
	@command -v npm > /dev/null || { echo "There is no npm, which builds the dashboard: install nodejs and npm (.ci/install), or make WITH_DASHBOARD=0"; exit 1; }
	$(Q)echo "  NPM api/web" && cd api/web && npm ci --silent --no-audit --no-fund || { echo "npm cannot get the dashboard's packages; without it: make WITH_DASHBOARD=0"; exit 1; }
	@touch $@

ifeq ($(WITH_DASHBOARD),0)
$(BUILD)/web/stamp: api/web/none.html
	@mkdir -p $(@D) && cp api/web/none.html $(@D)/index.html && cp api/web/favicon.svg $(@D)/ && : > $(@D)/app.js && : > $(@D)/app.css
	@cd $(@D) && gzip -nkf index.html favicon.svg app.js app.css && rm -f with-* && touch with-0 $(@F)
else
$(BUILD)/web/stamp: $(WEB_PACKAGES) $(wildcard api/web/*.mjs api/web/*.html api/web/*.svg api/web/src/*.* api/web/src/*/*.*)
	@mkdir -p $(@D)
	$(Q)echo "  WEB $(@D)" && node api/web/build.mjs $(@D) && cd $(@D) && rm -f with-* && touch with-1 $(@F)
endif
ifeq ($(wildcard $(BUILD)/web/with-$(if $(filter 0,$(WITH_DASHBOARD)),0,1)),) # the other one is there: it is made anew
.PHONY: web-anew
web-anew:
$(BUILD)/web/stamp: web-anew
endif

$(BUILD)/api/assets.o: $(BUILD)/web/stamp api/openapi.yaml docs/reference/errors.md

define folder
$$(call archive,$(1)): $$(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)$$(AR) rcs $$@ $$^

TESTS_$(1) := $$(patsubst %.c,$$(BUILD)/%,$$(wildcard tests/$(1)/test_*.c))
SHARED_$(1) := $$(patsubst %.c,$$(BUILD)/%.o,$$(filter-out tests/$(1)/test_%,$$(wildcard tests/$(1)/*.c)))
$$(TESTS_$(1)): $$(BUILD)/tests/$(1)/%: $$(BUILD)/tests/$(1)/%.o $$(SHARED_$(1)) $$(foreach l,$$(LINK_$(1)),$$(call archive,$$(l)))
	$(Q)$$(CC) $$(LDFLAGS_ALL) $$^ -o $$@ -lcmocka $$(LIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder,$(f))))

MAIN_OBJ := $(patsubst src/%.c,$(BUILD)/src/%.o,$(wildcard src/*.c))
$(BUILD)/hone: $(MAIN_OBJ) $(foreach l,cli worker grpc $(LINK_api),$(call archive,$(l)))
	$(Q)echo "  LD $@" && $(CC) $(LDFLAGS_ALL) $(MAIN_OBJ) $(foreach l,cli worker grpc $(LINK_api),$(call archive,$(l))) -o $@ $(LIBS)

# The Python client with the server in it; the same objects, linked to find their libraries beside the program.
.PHONY: wheel
wheel: $(BUILD)/hone
	@mkdir -p $(BUILD)/wheel
	$(Q)$(CC) $(LDFLAGS_ALL) -Wl,-rpath,'$$ORIGIN/lib' -Wl,--disable-new-dtags $(MAIN_OBJ) $(foreach l,cli worker grpc $(LINK_api),$(call archive,$(l))) -o $(BUILD)/wheel/hone $(LIBS)
	@api/python/wheel.sh $(BUILD)/wheel/hone $(BUILD)/wheel

# --- libhone: the search algorithms for other programs. One object of all that hone.c needs, which shows hone_* alone.
$(foreach f,$(LINK_libhone),$(call objects,$(f))): PIC := -fPIC -fno-semantic-interposition
$(foreach f,$(LINK_libhone),$(call objects,$(f))): $(BUILD)/pic
# Objects that are older than this mark were not compiled so. (Made here: a missing file that is secondary makes nothing anew.)
$(shell [ -e $(BUILD)/pic ] || { mkdir -p $(BUILD) && touch $(BUILD)/pic; })
LIBS_libhone := -lgsl -lopenblas -ljansson -lm -pthread

$(BUILD)/libhone.a: $(foreach l,$(LINK_libhone),$(call archive,$(l)))
	$(Q)echo "  AR $@" && $(LD) -r -o $(BUILD)/libhone.o $(BUILD)/libhone/hone.o --start-group $^ --end-group
	$(Q)objcopy --wildcard --keep-global-symbol='hone_*' $(BUILD)/libhone.o && rm -f $@ && $(AR) rcs $@ $(BUILD)/libhone.o

$(BUILD)/libhone.so: $(BUILD)/libhone.a
	$(Q)echo "  LD $@" && $(CC) -shared $(SAN) -Wl,-soname,libhone.so.0 -Wl,-z,relro,-z,now -Wl,--as-needed $(if $(SAN),,-Wl,-z,defs) $(LDFLAGS) \
	    $(BUILD)/libhone.o -o $@ $(LIBS_libhone)

$(BUILD)/hone.pc: libhone/hone.pc.in Makefile
	$(Q)sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' $< > $@

.PHONY: lib install-lib
lib: $(BUILD)/libhone.a $(BUILD)/libhone.so

install-lib: lib
	@$(MAKE) --no-print-directory -s -B $(BUILD)/hone.pc
	install -D -m 644 libhone/hone.h $(DESTDIR)$(PREFIX)/include/hone.h
	install -D -m 644 $(BUILD)/libhone.a $(DESTDIR)$(PREFIX)/lib/libhone.a
	install -D -m 755 $(BUILD)/libhone.so $(DESTDIR)$(PREFIX)/lib/libhone.so.$(VERSION)
	ln -sf libhone.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libhone.so.0 && ln -sf libhone.so.0 $(DESTDIR)$(PREFIX)/lib/libhone.so
	install -D -m 644 $(BUILD)/hone.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/hone.pc

UNIT_TESTS := $(foreach f,$(FOLDERS),$(TESTS_$(f)))

# The first make of a test or a demo installs what is missing; its own make then finds the libraries.
demo:
	@.ci/install demo
	@$(MAKE) --no-print-directory all
	@HONE_BIN=$(BUILD)/hone examples/demo.sh

test:
	@.ci/install test
	@$(MAKE) --no-print-directory run-tests

# What tests/clients drives; HEAVY=1 adds what takes gigabytes.
.PHONY: clients-venv
clients-venv:
	@.ci/install clients
	@python3 -m venv $(BUILD)/clients-venv
	@$(BUILD)/clients-venv/bin/pip install -q -r tests/clients/requirements.txt $(if $(HEAVY),-r tests/clients/requirements-heavy.txt)

layers:
	@tests/check_layers.sh

.PHONY: run-tests
run-tests: layers $(UNIT_TESTS) $(BUILD)/hone fuzz-replay
	@BUILD=$(BUILD) tests/run.sh $(UNIT_TESTS)

asan:
	@.ci/install test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-asan OPT="-O1 -g -fno-omit-frame-pointer" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" run-tests

tsan:
	@.ci/install test
	@$(MAKE) --no-print-directory BUILD=$(BUILD)-tsan OPT="-O1 -g -fno-omit-frame-pointer" SAN="-fsanitize=thread" run-tests

# --- fuzzing: each tests/fuzz/fuzz_x.c; `fuzz` with clang's libFuzzer, `fuzz-replay` runs the kept inputs with any compiler
SECONDS ?= 60
FUZZERS := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_FOLDERS := grpc backends net collectors pipeline artifacts model base
FUZZ_LIBS = $(foreach l,$(FUZZ_FOLDERS),$(call archive,$(l)))

$(patsubst %,$(BUILD)/tests/fuzz/%,$(FUZZERS)): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(BUILD)/tests/fuzz/replay.o $(FUZZ_LIBS)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ $(LIBS)

fuzz-replay: $(patsubst %,$(BUILD)/tests/fuzz/%,$(FUZZERS))

fuzz:
	@.ci/install fuzz
	@$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)-fuzz OPT="-O1 -g" SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" \
	    $(foreach l,$(FUZZ_FOLDERS),$(BUILD)-fuzz/lib/$(l).a) $(patsubst %,$(BUILD)-fuzz/tests/fuzz/%.o,$(FUZZERS))
	@BUILD=$(BUILD)-fuzz SECONDS_EACH=$(SECONDS) LIBS="$(foreach l,$(FUZZ_FOLDERS),$(BUILD)-fuzz/lib/$(l).a) $(LIBS)" tests/fuzz/run.sh $(FUZZERS)

bench: all
	@BUILD=$(BUILD) tests/bench/run.sh

# A picture of each view of the dashboard, light and dark, in $(BUILD)/screenshots.
.PHONY: screenshots
screenshots: all
	@.ci/install web
	@HONE_BIN=$(BUILD)/hone tests/web/run.sh --screenshots $(abspath $(BUILD))/screenshots

# The searches beside the kept runs of their peers; resumes. Needs numpy and the problems (HONE_SEARCH_DIR).
$(BUILD)/bench/search_driver: $(BUILD)/tests/bench/search/driver.o $(foreach l,$(LINK_libhone),$(call archive,$(l)))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) $^ -o $@ $(LIBS)

.PHONY: bench-search
bench-search: $(BUILD)/bench/search_driver $(BUILD)/hone
	@HONE_SEARCH_DRIVER=$< python3 tests/bench/search/bench.py run --out $(BUILD)/bench/search.jsonl
	@python3 tests/bench/search/bench.py table --out $(BUILD)/bench/search.jsonl --brief
	-@HONE_BIN=$(BUILD)/hone python3 tests/bench/search/fidelity.py run --seeds 0-1 --out $(BUILD)/bench/fidelity.jsonl
	@python3 tests/bench/search/fidelity.py table --out $(BUILD)/bench/fidelity.jsonl

check: layers
	@.ci/install check
	@tests/check_style.sh

install: all install-lib
	install -D -m 755 $(BUILD)/hone $(DESTDIR)$(PREFIX)/bin/hone
	$(BUILD)/hone help --man > $(BUILD)/hone.1 && install -D -m 644 $(BUILD)/hone.1 $(DESTDIR)$(PREFIX)/share/man/man1/hone.1
	$(BUILD)/hone completion bash > $(BUILD)/hone.bash && install -D -m 644 $(BUILD)/hone.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hone
	$(BUILD)/hone completion zsh > $(BUILD)/_hone && install -D -m 644 $(BUILD)/_hone $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hone
	$(BUILD)/hone completion fish > $(BUILD)/hone.fish && install -D -m 644 $(BUILD)/hone.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hone.fish

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,include/hone.h lib/libhone.a lib/libhone.so lib/libhone.so.0 lib/libhone.so.$(VERSION) lib/pkgconfig/hone.pc)
	rm -f $(DESTDIR)$(PREFIX)/bin/hone $(DESTDIR)$(PREFIX)/share/man/man1/hone.1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions/hone \
	    $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_hone $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/hone.fish

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-fuzz

-include $(shell find $(BUILD) -name '*.d' 2> /dev/null)
