# SPDX-License-Identifier: GPL-3.0-or-later
# Hone. `make` builds build/hone; `make help` lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
OPT     ?= -O2 -g
SAN     ?=

VERSION := 0.1.0
PKGS    := gsl libmicrohttpd jansson sqlite3 libcurl yaml-0.1 libsodium

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
        -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wimplicit-fallthrough -Wno-format-nonliteral -Werror
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
CFLAGS_ALL = -std=c11 -D_GNU_SOURCE -DHONE_VERSION='"$(VERSION)"' -Isrc -Ialgorithms -Iapi -I. \
        $(OPT) $(SAN) $(WARN) $(HARDEN) -fno-math-errno -pthread -MMD -MP $(CFLAGS)
# OpenBLAS gives cblas in place of GSL's own, which is several times slower.
LIBS = $(shell pkg-config --libs $(PKGS) | sed 's/-lgslcblas/-lopenblas/') -lm -pthread
LDFLAGS_ALL = $(SAN) -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(LDFLAGS)

# One archive a folder, so that a test of a folder links it and what stands below it, and nothing else.
FOLDERS := base net model store collectors backends algorithms core api cli
DIRS_base := src/base
DIRS_net := src/net
DIRS_model := src/model
DIRS_store := src/store
DIRS_collectors := src/collectors
DIRS_backends := src/backends
DIRS_algorithms := algorithms algorithms/stop algorithms/math
DIRS_core := src/core
DIRS_api := api
DIRS_cli := src/cli

# What a folder is linked with, in order (tests/layers.txt says who may include whom).
LINK_base := base
LINK_net := net base
LINK_model := model base
LINK_store := store model base
LINK_collectors := collectors model base
LINK_backends := backends net model base
LINK_algorithms := algorithms base
LINK_core := core store backends collectors algorithms net model base
LINK_api := api core store backends collectors algorithms net model base
LINK_cli := cli net model base

sources = $(foreach d,$(DIRS_$(1)),$(wildcard $(d)/*.c) $(wildcard $(d)/*.S))
objects = $(patsubst %,$(BUILD)/%.o,$(basename $(call sources,$(1))))
archive = $(BUILD)/lib/$(1).a

.PHONY: all test layers asan tsan clean help
.SECONDARY:

all: $(BUILD)/hone

help:
	@echo "make            build $(BUILD)/hone"
	@echo "make test       build and run every test"
	@echo "make asan       the tests under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make tsan       the tests under ThreadSanitizer"
	@echo "make layers     who may include whom (tests/layers.txt)"

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) -I. -c $< -o $@

define folder
$$(call archive,$(1)): $$(call objects,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(AR) rcs $$@ $$^

TESTS_$(1) := $$(patsubst %.c,$$(BUILD)/%,$$(wildcard tests/$(1)/test_*.c))
$$(TESTS_$(1)): $$(BUILD)/tests/$(1)/%: $$(BUILD)/tests/$(1)/%.o $$(foreach l,$$(LINK_$(1)),$$(call archive,$$(l)))
	$$(CC) $$(LDFLAGS_ALL) $$^ -o $$@ -lcmocka $$(LIBS)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder,$(f))))

MAIN_OBJ := $(patsubst src/%.c,$(BUILD)/src/%.o,$(wildcard src/*.c))
$(BUILD)/hone: $(MAIN_OBJ) $(foreach l,cli $(LINK_api),$(call archive,$(l)))
	$(CC) $(LDFLAGS_ALL) $(MAIN_OBJ) $(foreach l,cli $(LINK_api),$(call archive,$(l))) -o $@ $(LIBS)

UNIT_TESTS := $(foreach f,$(FOLDERS),$(TESTS_$(f)))

layers:
	@tests/check_layers.sh

test: layers $(UNIT_TESTS)
	@tests/run.sh $(UNIT_TESTS)

asan:
	$(MAKE) BUILD=$(BUILD)-asan OPT="-O1 -g" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" test

tsan:
	$(MAKE) BUILD=$(BUILD)-tsan OPT="-O1 -g" SAN="-fsanitize=thread" test

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan

-include $(shell find $(BUILD) -name '*.d' 2> /dev/null)
