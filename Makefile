# SPDX-License-Identifier: GPL-3.0-or-later
# Hone. `make demo` tunes a real model, `make test` runs the tests; `make help` lists the rest.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
CC      ?= cc
OPT     ?= -O2 -g
SAN     ?=

VERSION := 0.1.0
PKGS    := gsl libmicrohttpd jansson sqlite3 libcurl yaml-0.1 libsodium

WARN := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Wundef -Wformat=2 -Wstrict-prototypes \
        -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wimplicit-fallthrough -Wno-format-nonliteral -Werror
HARDEN := $(if $(SAN),,-D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -DHONE_VERSION='"$(VERSION)"' -Isrc -Ialgorithms -Iapi -I$(BUILD)/gen -I. \
        $(OPT) $(SAN) $(WARN) $(HARDEN) -fno-math-errno -pthread -MMD -MP $(CFLAGS)
# -lopenblas gives cblas in place of gslcblas (docs/decisions); GSL's own is the fallback where it is missing.
LIBS = $(shell pkg-config --libs $(PKGS) | sed 's/-lgslcblas/-lopenblas/') -lm -pthread
LDFLAGS_ALL := $(SAN) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
