# Parallax: one Makefile, no recursion. Sources are found by folder; a new file needs no edit here.
#
#   make                      libraries and binaries (binaries in build/bin)
#   make run [FILES=...]      the main job: publisher -> reducer -> subscriber on real programs
#   make test                 every test; T=pattern runs those whose path matches
#   make test-long            what takes minutes: tests/**/long_*.sh
#   make cases cases-long     known programs, 20 and 3 times each, with one to three workers (PLX_CASES: where they are)
#   make SAN=address,undefined test     make SAN=thread test     make COV=1 coverage
#   make crash                die at every instruction, as three compilers' programs; CRASH_SECONDS=120 each at most
#   make mutants              leave out one rule after the other: each must be noticed
#   make model                spin looks at every state of the models, and finds the bugs sown in them (minutes)
#   make fuzz                 the fuzzers, FUZZ_TIME=60 seconds each (clang)
#   make soak MINUTES=10      many messages while publishers and subscribers are killed, stopped and started again
#   make fuzz-coverage        how much of the files that read a stranger's bytes they reach: 90 % of the branches of each, or it fails
#   make bench                ratios against peers and limits, measured in one run
#   make check                headers alone, floors, symbols, format, warnings of gcc and clang
#   make format               rewrite the sources as make check wants them
#   make install uninstall    DESTDIR, PREFIX (default /usr/local), LIBDIR, ...
#   make help                 this text
#
# CC=clang, CFLAGS (default -O2 -g), CPPFLAGS, LDFLAGS are the user's; V=1 shows the commands; NAME=x builds in build/x;
# -jN is how many compilers run at once (as many as there are processors), JOBS=N how many tests (one).

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# As many compilers as processors, unless -j says otherwise or another make has. Tests run one after the other (JOBS=1).
ifeq ($(MAKELEVEL)$(filter -j%,$(shell echo $$MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
# "make clean test" is first the one, then the other.
GOALS_ALONE := run test test-long cases cases-long crash mutants model soak fuzz fuzz-coverage bench coverage check format \
	install uninstall clean
ifneq ($(and $(word 2,$(MAKECMDGOALS)),$(filter $(GOALS_ALONE),$(MAKECMDGOALS))),)
.NOTPARALLEL:
endif

VERSION := 0.1.0
SOVERSION := 0
comma := ,

PREFIX ?= /usr/local
DESTDIR ?=
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/parallax

V ?=
Q := $(if $V,,@)
say = $(if $V,,@printf '  %-7s %s\n' '$1' '$(patsubst build/%,%,$2)')

ifeq ($(origin CC),default)
CC := gcc
endif
CC ?= gcc
ifeq ($(origin CXX),default)
CXX := g++
endif
CXX ?= g++
CLANG_FORMAT ?= clang-format
OPT ?= -O2
CFLAGS ?= $(OPT) -g
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
ALL_CPPFLAGS := -D_GNU_SOURCE -I. -Ilibshm $(CPPFLAGS)
ALL_CFLAGS := -std=gnu11 $(WARN) -fPIC -fno-semantic-interposition $(if $(WERROR),-Werror) $(CFLAGS) $(EXTRA_CFLAGS)
ALL_LDFLAGS := $(LDFLAGS) $(EXTRA_LDFLAGS)
# what libshm needs: libshm.pc.in names it too, and tests that compile by hand get it in LIBSHM_LIBS
LDLIBS := -lsodium -lseccomp -pthread

ifdef SAN
ALL_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined -DPLX_SAN
ALL_LDFLAGS += -fsanitize=$(SAN)
endif
ifdef COV
ALL_CFLAGS += --coverage -fprofile-update=atomic -O0 -DPLX_COV
ALL_LDFLAGS += --coverage
# children of tests that leave by _exit() write down what they ran (tests/support/leave.c)
TEST_LDFLAGS := -Wl,--wrap=_exit
endif

VARIANT := $(if $(NAME),$(NAME),$(if $(SAN),$(subst $(comma),-,$(SAN)),$(if $(COV),cov,release)))
B := build/$(VARIANT)
OUT := $(if $(filter release,$(VARIANT)),build,$B)
BIN := $(OUT)/bin

# ---- what there is -----------------------------------------------------------------------------
LIB_SRC := $(sort $(wildcard libshm/*/*.c))
LIB_OBJ := $(LIB_SRC:%.c=$B/%.o)
# Tests link a library whose kernel doors can be held shut.
LIB_TEST_OBJ := $(filter-out $B/libshm/base/sys.o,$(LIB_OBJ)) $B/libshm/base/sys.fault.o
HEADERS := $(sort $(wildcard libshm/plx/*.h))
LIBS := $(OUT)/libshm.a $(OUT)/libshm.so.$(VERSION)

# A program = a folder with a main.c; tests of its parts link all of it but main.o. What the programs
# share among themselves (sizes, progress, ...) is in tools/cli.
CLI_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard tools/cli/*.c)))
PROGRAMS := publisher subscriber reducer shmctl
DIR_publisher := publisher
DIR_subscriber := subscriber
DIR_reducer := reducer
DIR_shmctl := tools/shmctl
LIBS_publisher :=
LIBS_subscriber :=
LIBS_reducer := -ljson-c -lm
LIBS_shmctl := -ljson-c -lroaring
TESTS_publisher := tests/publisher
TESTS_subscriber := tests/subscriber
TESTS_reducer := tests/reducer
TESTS_shmctl := tests/tools/shmctl
$(foreach p,$(PROGRAMS),$(eval SRC_$p := $$(sort $$(wildcard $(DIR_$p)/*.c $(DIR_$p)/*/*.c))))
$(foreach p,$(PROGRAMS),$(eval OBJ_$p := $$(SRC_$p:%.c=$B/%.o)))
BINS := $(foreach p,$(PROGRAMS),$(if $(wildcard $(DIR_$p)/main.c),$(BIN)/$p))

TEST_SRC := $(sort $(shell find tests -name 'test_*.c' 2>/dev/null))
TEST_BIN := $(TEST_SRC:%.c=$B/%)
TEST_SH := $(sort $(shell find tests -name 'test_*.sh' 2>/dev/null))
LONG_SH := $(sort $(shell find tests -name 'long_*.sh' 2>/dev/null))
BENCH_SRC := $(sort $(wildcard tests/bench/bench_*.c))
BENCH_BIN := $(BENCH_SRC:%.c=$B/%)
SOAK_BIN := $B/tests/soak/soak
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c tests/reducer/fuzz/fuzz_*.c))
FUZZ_BIN := $(FUZZ_SRC:%.c=$B/%)
SUPPORT_OBJ := $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/support/*.c)))
$(foreach p,$(PROGRAMS),$(eval SUPPORT_OBJ_$p := $$(patsubst %.c,$B/%.o,$$(sort $$(wildcard $(TESTS_$p)/support/*.c)))))

.PHONY: all run test test-long cases cases-long crash mutants model soak fuzz fuzzers fuzz-coverage bench check check-headers check-floors check-symbols check-format check-warnings \
	format install uninstall clean coverage programs help FORCE
all: $(LIBS) $(BINS)
programs: all $(TEST_BIN) $(BENCH_BIN) $(SOAK_BIN)

# ---- compile and link --------------------------------------------------------------------------
# Objects depend on how they are made, so that another compiler or flag makes them anew.
$B/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) | $(ALL_LDFLAGS)' >$@.$$$$ && \
		if cmp -s $@.$$$$ $@; then rm -f $@.$$$$; else mv $@.$$$$ $@; fi

$B/%.o: %.c $B/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$B/libshm/base/sys.fault.o: libshm/base/sys.c $B/flags
	$(call say,CC,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) -DPLX_FAULT $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

archive = $(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(OUT)/libshm.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(archive)

$B/libshm-test.a: $(LIB_TEST_OBJ)
	$(call say,AR,$@)
	$(archive)

$(OUT)/libshm.so.$(VERSION): $(LIB_OBJ) libshm/libshm.map
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_LDFLAGS) -shared -Wl,-soname,libshm.so.$(SOVERSION) \
		-Wl,--version-script,libshm/libshm.map $(if $(SAN),,-Wl$(comma)--no-undefined) -o $@ $(LIB_OBJ) $(LDLIBS)
	$(Q)ln -sf libshm.so.$(VERSION) $(OUT)/libshm.so.$(SOVERSION) && ln -sf libshm.so.$(SOVERSION) $(OUT)/libshm.so

define program
$(BIN)/$1: $(OBJ_$1) $(CLI_OBJ) $(OUT)/libshm.a
	$$(call say,LD,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $(LIBS_$1) $$(LDLIBS)
$B/lib$1-test.a: $(filter-out $B/$(DIR_$1)/main.o,$(OBJ_$1)) $(CLI_OBJ)
	$$(call say,AR,$$@)
	$$(archive)
$(filter $B/$(TESTS_$1)/%,$(TEST_BIN)): %: %.o $(SUPPORT_OBJ_$1) $B/lib$1-test.a $B/libshm-test.a $(SUPPORT_OBJ)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(ALL_LDFLAGS) $$(TEST_LDFLAGS) -o $$@ $$< $(SUPPORT_OBJ_$1) $(SUPPORT_OBJ) $B/lib$1-test.a $B/libshm-test.a -lcmocka -lroaring $(LIBS_$1) $$(LDLIBS)
endef
$(foreach p,$(PROGRAMS),$(eval $(call program,$p)))

# Static patterns: with plain ones make would take whichever rule needs no object that is yet to be made.
$(filter $B/tests/tools/cli/%,$(TEST_BIN)): %: %.o $(CLI_OBJ) $B/libshm-test.a $(SUPPORT_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) -o $@ $< $(CLI_OBJ) $(SUPPORT_OBJ) $B/libshm-test.a -lcmocka $(LDLIBS)
$(filter-out $B/tests/bench/bench_chan_queues,$(BENCH_BIN)): %: %.o $(OUT)/libshm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(OUT)/libshm.a $(LDLIBS)

# Queues of others, to be measured beside ours: each is an empty table when its package is not installed.
PEER_OBJ := $(patsubst %,$B/%.o,$(basename $(sort $(wildcard tests/bench/peers/*.c tests/bench/peers/*.cc))))
PEER_DPDK = $$(pkg-config --cflags libdpdk 2>/dev/null | sed 's/-I */-isystem /g')
$B/tests/bench/peers/%.o: tests/bench/peers/%.c $B/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(if $(filter %/dpdk.o,$@),$(PEER_DPDK)) -MMD -MP -c -o $@ $<
$B/tests/bench/peers/%.o: tests/bench/peers/%.cc $B/flags
	$(call say,CXX,$<)
	$(Q)mkdir -p $(@D) && $(CXX) $(ALL_CPPFLAGS) -std=gnu++17 -Wall -Wextra $(CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
$B/tests/bench/bench_chan_queues: %: %.o $B/tests/bench/queue_run.o $(PEER_OBJ) $(OUT)/libshm.a
	$(call say,LD,$@)
	$(Q)$(CXX) $(ALL_LDFLAGS) -o $@ $^ $(LDLIBS) $$(pkg-config --exists libdpdk 2>/dev/null && echo -lrte_ring) -lrt
# Whatever carries messages between processes, each in an object of its own; empty when it is not installed here.
MAIL_SO := $(patsubst %,$B/%.so,$(basename $(sort $(wildcard tests/bench/mail/*.c tests/bench/mail/*.cc))))
MAIL_LIBS_ours := $(OUT)/libshm.a $(LDLIBS)
MAIL_LIBS_ours_asleep := $(MAIL_LIBS_ours)
MAIL_LIBS_mq := -lrt
MAIL_LIBS_boost := -lrt
MAIL_LIBS_zmq := -lzmq
MAIL_LIBS_nng := -lnng
MAIL_LIBS_nanomsg := -lnanomsg
mail_so = $(Q)mkdir -p $(@D) && $1 $(ALL_CPPFLAGS) $2 -fPIC -shared -MMD -MP -o $@ $< $(MAIL_LIBS_$(*F)) 2>$@.log || \
	{ echo '  (not installed)'; : >$@; }
$B/tests/bench/mail/%.so: tests/bench/mail/%.c $(OUT)/libshm.a $B/flags
	$(call say,CC,$<)
	$(call mail_so,$(CC),$(ALL_CFLAGS))
$B/tests/bench/mail/%.so: tests/bench/mail/%.cc $B/flags
	$(call say,CXX,$<)
	$(call mail_so,$(CXX),-std=gnu++17 $(CFLAGS))
$B/tests/bench/bench_mail: | $(MAIL_SO)
$(SOAK_BIN): $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/soak/*.c))) $(OUT)/libshm.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lroaring $(LDLIBS)
# What liars have in common is for tests/hostile alone.
$(filter $B/tests/hostile/%,$(TEST_BIN)): $(patsubst %.c,$B/%.o,$(sort $(wildcard tests/hostile/support/*.c)))
PROGRAM_TESTS := $(foreach d,$(foreach p,$(PROGRAMS),$(TESTS_$p)) tests/tools/cli,$B/$d/%)
$(filter-out $(PROGRAM_TESTS),$(TEST_BIN)): %: %.o $B/libshm-test.a $(SUPPORT_OBJ)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) $B/libshm-test.a -lcmocka -lroaring $(LDLIBS)
.PRECIOUS: $B/%.o

# ---- run and test ------------------------------------------------------------------------------
TEST_ENV = BIN='$(abspath $(BIN))' B='$(abspath $B)' OUT='$(abspath $(OUT))' SAN='$(SAN)' COV='$(COV)' CC='$(CC)' LIBSHM_LIBS='$(LDLIBS)'

run: all
	$(Q)BIN='$(abspath $(BIN))' tools/main-job $(FILES)

test: all $(TEST_BIN) $(SOAK_BIN)
	$(Q)$(TEST_ENV) tests/run $(if $T,-k '$T') $(TEST_BIN) $(TEST_SH)

test-long: all $(TEST_BIN)
	$(Q)$(TEST_ENV) tests/run -v -t 3600 $(if $T,-k '$T') $(LONG_SH)

# What these two build, they build in folders of their own.
crash:
	$(Q)MAKE='$(MAKE)' tests/crash/crash

mutants:
	$(Q)MAKE='$(MAKE)' tests/crash/mutants $(MUTANTS)

model:
	$(Q)tests/model/check long

MINUTES ?= 10
soak: $(SOAK_BIN)
	$(Q)$(SOAK_BIN) $(MINUTES) $(SEED)

# Known programs with any number of workers: all below 20 million interactions 20 times, the larger ones 3 times.
cases cases-long: $B/tests/reducer/net/test_cases
cases:
	$(Q)PLX_CASES_MAX=20000000 PLX_CASES_RUNS=20 PLX_CASES_WORK=20000000000 $B/tests/reducer/net/test_cases
cases-long:
	$(Q)PLX_CASES_MIN=20000001 PLX_CASES_MAX=2000000000 PLX_CASES_RUNS=3 PLX_CASES_WORK=100000000000 $B/tests/reducer/net/test_cases

# A fuzzer fuzz_X.c comes with a test of the same name beside it, which writes its seeds, and perhaps with words, X.dict. Corpus and
# findings stay in build/fuzz. The programs are made by a make of their own, with clang: SAN is what looks for errors.
FUZZ_TIME ?= 60
FUZZ_TEST := $(foreach f,$(FUZZ_SRC),$B/$(dir $f)test_$(basename $(notdir $f)))
FUZZ_MAKE = +$(Q)$(MAKE) --no-print-directory CC=clang OPT='-O1 -fsanitize=fuzzer-no-link' COV= EXTRA_CFLAGS= EXTRA_LDFLAGS=
# fuzz_each FOLDER OPTIONS: each fuzzer of build/FOLDER, from its seeds and what was found before
fuzz_each = $(Q)set -e; for f in $(FUZZ_SRC:tests/%.c=%); do n=$${f\#\#*/fuzz_}; d=build/fuzz/$$n; mkdir -p $$d/corpus; \
	$B/tests/$${f%/*}/test_fuzz_$$n --seeds $$d/corpus; words=tests/$${f%/*}/$$n.dict; echo "fuzz_$$n"; \
	LLVM_PROFILE_FILE=build/$1/tests/$$f.profraw build/$1/tests/$$f -verbosity=0 -artifact_prefix=$$d/ $2 \
		$$([ ! -e $$words ] || echo "-dict=$$words") $$d/corpus; done
# Of the reducer what reads text and messages; its rules keep a compiler that looks for errors busy for minutes.
FUZZ_REDUCER := $(patsubst %.c,$B/%.o,$(sort $(wildcard reducer/text/*.c)) $(addprefix reducer/,net/num.c net/num_text.c net/book.c \
	job/request.c job/title.c) tests/reducer/support/reference.c)
$(FUZZ_BIN): %: %.o $(FUZZ_REDUCER) $(CLI_OBJ) $B/libshm-test.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(if $(findstring /reducer/,$@),$(FUZZ_REDUCER) $(CLI_OBJ)) $B/libshm-test.a -lm $(LDLIBS)
fuzzers: $(FUZZ_BIN)
fuzz: $(FUZZ_TEST)
	$(FUZZ_MAKE) NAME=fuzz-errors SAN=address,undefined fuzzers
	$(call fuzz_each,fuzz-errors,-max_total_time=$(FUZZ_TIME) -print_final_stats=1)

# The same programs, counting branches: the seeds, what make fuzz found, and a short run.
FUZZ_FLOOR ?= 90
FUZZ_COV_TIME ?= 10
fuzz-coverage: $(FUZZ_TEST)
	$(FUZZ_MAKE) NAME=fuzz-branches SAN= CFLAGS='-O1 -g -fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping' \
		LDFLAGS=-fprofile-instr-generate fuzzers
	$(call fuzz_each,fuzz-branches,-max_total_time=$(FUZZ_COV_TIME))
	$(Q)tools/fuzz-coverage $(FUZZ_FLOOR) $(FUZZ_SRC:%.c=build/fuzz-branches/%)

bench: all $(BENCH_BIN)
	$(Q)$(TEST_ENV) BENCH='$(BENCH)' tests/bench/run

ifdef COV
coverage: all $(TEST_BIN) $(SOAK_BIN)
	$(Q)find $B -name '*.gcda' -delete
	$(Q)$(TEST_ENV) tests/run $(if $T,-k '$T') $(TEST_BIN) $(TEST_SH)
	$(Q)tools/coverage $B
else
coverage:
	@$(MAKE) COV=1 coverage
endif

# ---- check -------------------------------------------------------------------------------------
# tests/reducer and the like are formatted too; what a tool wrote is not there.
FORMATTED := $(sort $(shell find libshm publisher subscriber reducer tools tests examples -name '*.[ch]' 2>/dev/null))

check: check-headers check-floors check-format check-symbols check-warnings
	@echo 'check: all is well'

check-headers:
	$(call say,CHECK,headers alone: gcc and clang as C and C++)
	$(Q)tools/check-headers $(HEADERS)

check-floors:
	$(call say,CHECK,floors)
	$(Q)tools/check-floors

# Each version of clang-format has its own idea of some lines; Debian 12's decides.
FORMAT_VERSION := 14
check-format:
	$(call say,CHECK,format)
	$(Q)case "$$($(CLANG_FORMAT) --version)" in \
	*' version $(FORMAT_VERSION).'*) $(CLANG_FORMAT) --dry-run -Werror $(FORMATTED) ;; \
	*' version '*) echo 'check-format: not checked, clang-format $(FORMAT_VERSION) decides; this is' "$$($(CLANG_FORMAT) --version)" ;; \
	*) exit 1 ;; \
	esac

format:
	$(Q)$(CLANG_FORMAT) -i $(FORMATTED)

check-symbols: $(LIBS)
	$(call say,CHECK,symbols)
	$(Q)SAN='$(SAN)' COV='$(COV)' tools/check-symbols $(OUT) $B

check-warnings:
	$(call say,CHECK,no warnings from gcc)
	$(Q)$(MAKE) --no-print-directory NAME=check-gcc CC=gcc WERROR=1 SAN= COV= programs
	$(call say,CHECK,no warnings from clang)
	$(Q)$(MAKE) --no-print-directory NAME=check-clang CC=clang WERROR=1 SAN= COV= programs

# ---- install -----------------------------------------------------------------------------------
MAN1 := $(sort $(wildcard docs/man/*.1))
MAN3 := $(sort $(wildcard docs/man/*.3))
INSTALL := install
D := $(DESTDIR)

install: all
	$(call say,INSTALL,$D$(PREFIX))
	$(Q)$(INSTALL) -d '$D$(BINDIR)' '$D$(LIBDIR)/pkgconfig' '$D$(INCLUDEDIR)/plx' '$D$(DOCDIR)'
	$(Q)$(INSTALL) -m 644 $(HEADERS) '$D$(INCLUDEDIR)/plx'
	$(Q)$(INSTALL) -m 644 $(OUT)/libshm.a '$D$(LIBDIR)'
	$(Q)$(INSTALL) -m 755 $(OUT)/libshm.so.$(VERSION) '$D$(LIBDIR)'
	$(Q)ln -sf libshm.so.$(VERSION) '$D$(LIBDIR)/libshm.so.$(SOVERSION)'
	$(Q)ln -sf libshm.so.$(SOVERSION) '$D$(LIBDIR)/libshm.so'
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' libshm/libshm.pc.in >'$D$(LIBDIR)/pkgconfig/libshm.pc'
	$(Q)chmod 644 '$D$(LIBDIR)/pkgconfig/libshm.pc'
	$(Q)$(if $(BINS),$(INSTALL) -m 755 $(BINS) '$D$(BINDIR)')
	$(Q)$(if $(MAN1),$(INSTALL) -d '$D$(MANDIR)/man1' && $(INSTALL) -m 644 $(MAN1) '$D$(MANDIR)/man1')
	$(Q)$(if $(MAN3),$(INSTALL) -d '$D$(MANDIR)/man3' && $(INSTALL) -m 644 $(MAN3) '$D$(MANDIR)/man3')
	$(Q)$(INSTALL) -m 644 README.md LICENSE LICENSE-MIT LICENSE-APACHE '$D$(DOCDIR)'

# Removes what install put there and the folders that are ours alone; a folder that others use stays.
uninstall:
	$(call say,REMOVE,$D$(PREFIX))
	$(Q)rm -f $(foreach h,$(notdir $(HEADERS)),'$D$(INCLUDEDIR)/plx/$h') \
		'$D$(LIBDIR)/libshm.a' '$D$(LIBDIR)/libshm.so' '$D$(LIBDIR)/libshm.so.$(SOVERSION)' \
		'$D$(LIBDIR)/libshm.so.$(VERSION)' '$D$(LIBDIR)/pkgconfig/libshm.pc' \
		$(foreach p,$(PROGRAMS),'$D$(BINDIR)/$p') \
		$(foreach m,$(notdir $(MAN1)),'$D$(MANDIR)/man1/$m') $(foreach m,$(notdir $(MAN3)),'$D$(MANDIR)/man3/$m') \
		$(foreach f,README.md LICENSE LICENSE-MIT LICENSE-APACHE,'$D$(DOCDIR)/$f')
	$(Q)for d in '$D$(INCLUDEDIR)/plx' '$D$(DOCDIR)'; do if [ -d "$$d" ]; then rmdir --ignore-fail-on-non-empty "$$d"; fi; done

clean:
	$(Q)rm -rf build

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

-include $(shell find $B -name '*.d' 2>/dev/null)
