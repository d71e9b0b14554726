# millrace: make help

CC      ?= gcc
CXX     ?= g++
BUILD   ?= build
OPT     ?= -O2 -g
SANITIZE ?=

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
CFLAGS   = -std=c11 -D_POSIX_C_SOURCE=200809L $(OPT) $(WARNINGS) -I. -fPIC $(SANITIZE)
CXXFLAGS = -std=c++17 $(OPT) -Wall -Wextra -Wshadow -Werror -I. -fPIC -fno-exceptions -fno-rtti $(SANITIZE)
LDLIBS   = -lzmq -llmdb -lyaml -lsimdjson -lzstd -lisal -lutf8proc -lmsgpackc -lm -ldl -lpthread
MPI_CFLAGS = $(shell pkg-config --cflags ompi-c 2>/dev/null)
MPI_LIBS   = $(shell pkg-config --libs ompi-c 2>/dev/null)

# The MPI transport is a module of its own: everything else must do without MPI.
MPI_SOURCES = core/transport_mpi.c
SOURCES  = $(filter-out $(MPI_SOURCES),$(wildcard core/*.c stages/*.c stages/kernels/*.c coordinator/*.c worker/*.c commands/*.c))
CXXSOURCES = $(wildcard core/*.cpp)
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o) $(CXXSOURCES:%.cpp=$(BUILD)/%.o)
LIBRARY  = $(BUILD)/libmillrace.a
UNIT     = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c tests/stages/test_*.c))

.PHONY: all unit test clean
all: millrace millrace-mpi.so

millrace: $(BUILD)/main.o $(LIBRARY)
	$(CXX) $(SANITIZE) -o $@ $^ $(LDLIBS)

$(LIBRARY): $(OBJECTS)
	rm -f $@ && ar rcs $@ $(OBJECTS)

millrace-mpi.so: $(MPI_SOURCES) $(wildcard core/*.h)
	$(CC) $(CFLAGS) $(MPI_CFLAGS) -shared -o $@ $(MPI_SOURCES) $(MPI_LIBS)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/core/platform_linux.o: CFLAGS += -D_GNU_SOURCE

$(BUILD)/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/tests/%: tests/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(LIBRARY) -lcmocka $(LDLIBS) -lstdc++

unit: $(UNIT)
	@status=0; for t in $(UNIT); do $$t || status=1; done; exit $$status

test: unit

clean:
	rm -rf $(BUILD) millrace millrace-mpi.so

-include $(OBJECTS:.o=.d) $(BUILD)/main.d
