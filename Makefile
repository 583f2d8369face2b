# Parallax: one Makefile, no recursion. Sources are found by folder; a new file needs no edit here.
#
#   make                      libraries and binaries (binaries in build/bin)
#   make run [FILES=...]      the main job: publisher -> reducer -> subscriber on real programs
#   make test                 every test;  T=pattern runs those whose path matches
#   make SAN=address,undefined test     make SAN=thread test     make COV=1 coverage
#   make bench                ratios against peers and limits, measured in one run
#   make check                headers alone, floors, format, warnings of gcc and clang
#   make install uninstall    DESTDIR, PREFIX (default /usr/local)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VERSION := 0.1.0
SOVERSION := 0
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
comma := ,

V ?=
Q := $(if $V,,@)
say = $(if $V,,@printf '  %-7s %s\n' '$1' '$(patsubst build/%,%,$2)')

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= -O2
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
CPPFLAGS := -D_GNU_SOURCE -I. -Ilibshm
CFLAGS := -std=gnu11 $(OPT) -g $(WARN) -fPIC -fvisibility=default -fno-semantic-interposition $(EXTRA_CFLAGS)
LDFLAGS := $(EXTRA_LDFLAGS)
LDLIBS := -pthread

ifdef SAN
CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined -DPLX_SAN
LDFLAGS += -fsanitize=$(SAN)
endif
ifdef COV
CFLAGS += --coverage -O0
LDFLAGS += --coverage
endif

VARIANT := $(if $(NAME),$(NAME),$(if $(SAN),$(subst $(comma),-,$(SAN)),$(if $(COV),cov,release)))
B := build/$(VARIANT)
BIN := $(if $(filter release,$(VARIANT)),build/bin,$B/bin)

# ---- what there is -----------------------------------------------------------------------------
LIB_SRC := $(sort $(wildcard libshm/*/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$B/%.o)
# Tests link a library whose kernel doors can be held shut.
LIB_TEST_OBJ := $(filter-out $B/libshm/base/sys.o,$(LIB_OBJ)) $B/libshm/base/sys.fault.o

REDUCER_SRC := $(sort $(wildcard reducer/*.c reducer/*/*.c))
REDUCER_OBJ := $(REDUCER_SRC:%.c=$B/%.o)
REDUCER_TEST_OBJ := $(filter-out $B/reducer/main.o,$(REDUCER_OBJ))
PUBLISHER_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard publisher/*.c)))
SUBSCRIBER_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard subscriber/*.c)))
SHMCTL_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard tools/shmctl/*.c)))

BINS := $(foreach b,publisher subscriber reducer,$(if $(wildcard $b/*.c),$(BIN)/$b)) \
	$(if $(wildcard tools/shmctl/*.c),$(BIN)/shmctl)

TEST_SRC := $(sort $(shell find tests -name 'test_*.c' 2>/dev/null))
TEST_BIN := $(TEST_SRC:%.c=$B/%)
TEST_SH := $(sort $(shell find tests -name 'test_*.sh' 2>/dev/null))
BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
BENCH_BIN := $(BENCH_SRC:%.c=$B/%)

LIBS := $B/libshm.a $B/libshm.so.$(VERSION)

.PHONY: all run test bench check install uninstall clean coverage programs cases cases-long
all: $(LIBS) $(BINS)
programs: all $(TEST_BIN) $(BENCH_BIN)

# ---- compile and link --------------------------------------------------------------------------
$B/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$B/libshm/base/sys.fault.o: libshm/base/sys.c Makefile
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS) -DPLX_FAULT $(CFLAGS) -MMD -MP -c -o $@ $<

$B/libshm.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$B/libshm-test.a: $(LIB_TEST_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$B/libshm.so.$(VERSION): $(LIB_OBJ) libshm/libshm.map
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -shared -Wl,-soname,libshm.so.$(SOVERSION) \
		-Wl,--version-script,libshm/libshm.map $(if $(SAN),,-Wl$(comma)--no-undefined) -o $@ $(LIB_OBJ) $(LDLIBS)
	$(Q)ln -sf libshm.so.$(VERSION) $B/libshm.so.$(SOVERSION) && ln -sf libshm.so.$(VERSION) $B/libshm.so

define binary
$(BIN)/$1: $2 $B/libshm.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(LDFLAGS) -o $$@ $2 $B/libshm.a $3 $$(LDLIBS)
endef
$(eval $(call binary,publisher,$(PUBLISHER_OBJ),))
$(eval $(call binary,subscriber,$(SUBSCRIBER_OBJ),))
$(eval $(call binary,reducer,$(REDUCER_OBJ),-ljson-c -lm))
$(eval $(call binary,shmctl,$(SHMCTL_OBJ),-ljson-c -lroaring))

$B/libreducer-test.a: $(REDUCER_TEST_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

# A test of the reducer links the reducer too; helpers in tests/support are linked by all.
SUPPORT_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/support/*.c)))
$B/tests/reducer/%: $B/tests/reducer/%.o $B/libreducer-test.a $B/libshm-test.a $(SUPPORT_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $B/libreducer-test.a $B/libshm-test.a -lcmocka -ljson-c -lm $(LDLIBS)
$B/tests/bench/%: $B/tests/bench/%.o $B/libshm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $B/libshm.a $(LDLIBS)
$B/tests/%: $B/tests/%.o $B/libshm-test.a $(SUPPORT_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(SUPPORT_OBJ) $B/libshm-test.a -lcmocka -lroaring $(LDLIBS)
.PRECIOUS: $B/%.o

# ---- what it is for ----------------------------------------------------------------------------
run: all
	$(Q)BIN=$(BIN) tools/main-job $(FILES)

test: all $(TEST_BIN)
	$(Q)BIN=$(abspath $(BIN)) B=$(abspath $B) SAN='$(SAN)' tests/run $(if $T,-k '$T') $(TEST_BIN) $(TEST_SH)

bench: all $(BENCH_BIN)
	$(Q)BIN=$(abspath $(BIN)) B=$(abspath $B) tests/bench/run

clean:
	$(Q)rm -rf build

-include $(shell find $B -name '*.d' 2>/dev/null)
