# SPDX-License-Identifier: GPL-3.0-or-later
# Hone. `make test` builds what there is and runs its tests; `make help` lists the rest.

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
LDFLAGS_ALL = $(SAN) -pie -Wl,-z,relro,-z,now $(LDFLAGS)

# A folder is in the build once all that it needs is there (docs/explanation/architecture.md, "What stands").
DIRS := src/base src/model src/store algorithms algorithms/stop algorithms/math
SRC  := $(foreach d,$(DIRS),$(wildcard $(d)/*.c))
OBJ  := $(SRC:%.c=$(BUILD)/%.o)
# Compiled and checked, not linked yet: what they call is still being written.
AHEAD := $(wildcard src/core/*.c)
AHEAD_OBJ := $(AHEAD:%.c=$(BUILD)/%.o)

TESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/*/test_*.c))

.PHONY: all test asan tsan clean help layers
.SECONDARY:

all: $(OBJ) $(AHEAD_OBJ)

help:
	@echo "make            build"
	@echo "make test       build and run every test"
	@echo "make asan       the tests under AddressSanitizer and UndefinedBehaviorSanitizer"
	@echo "make tsan       the tests under ThreadSanitizer"
	@echo "make layers     who may include whom (tests/layers.txt)"

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c $< -o $@

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(OBJ)
	$(CC) $(LDFLAGS_ALL) $^ -o $@ -lcmocka $(LIBS)

layers:
	@tests/check_layers.sh

test: all layers $(TESTS)
	@tests/run.sh $(TESTS)

asan:
	$(MAKE) BUILD=$(BUILD)-asan OPT="-O1 -g" SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" test

tsan:
	$(MAKE) BUILD=$(BUILD)-tsan OPT="-O1 -g" SAN="-fsanitize=thread" test

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan

-include $(OBJ:.o=.d) $(AHEAD_OBJ:.o=.d) $(TESTS:=.d)
