/* platform.h - operating-system calls beyond POSIX */
#ifndef CORE_PLATFORM_H
#define CORE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* Cores this process may use: affinity mask, and the cgroup's quota rounded up. */
uint32_t platform_core_count(void);
uint64_t platform_memory(void); /* bytes of the machine, or of the cgroup when less */
void platform_host_name(char *text, size_t size);
/* Path of the running executable. */
enum error_code platform_executable(char *path, size_t size, struct error *error);

/* Send `signal` to this process when its parent dies; raises it at once when the parent
 * is gone already (is not `parent`). */
void platform_die_with_parent(int signal, int parent);

/* When a process began, in clock ticks since boot; 0: there is no such process. With the
 * boot id this tells a process from a later one of the same number. */
uint64_t platform_process_start(int pid);
void platform_boot_id(char *text, size_t size);
/* CPU time of another process in us; -1: no such process. */
int64_t platform_process_cpu_us(int pid);
/* Private anonymous and data memory of this process in bytes (RssAnon). */
uint64_t platform_private_bytes(int pid);

/* An unnamed file in memory, inherited by children when asked. -1 on error. */
int platform_memory_file(const char *name, bool is_inherited);
/* The limit on data memory (RLIMIT_DATA) of this process. */
void platform_limit_memory(uint64_t bytes);
/* Zeroed memory straight from the kernel, in large pages where it has them: fewer faults,
 * and fewer misses where a table is looked up at random. NULL: there is none. */
void *platform_map_memory(size_t size);
void platform_unmap_memory(void *memory, size_t size);
/* Let the disk begin with these bytes of a file, so that a later fsync() finds less to
 * wait for. A hint: it says nothing and promises nothing. */
void platform_begin_writeback(int file, uint64_t offset, uint64_t size);
/* Everything on the file system of this open file is on the disk afterwards. Returns 0 or
 * the number of the error. */
int platform_sync_file_system(int file);
/* Bytes free for this user on the file system of `path`; UINT64_MAX: not known. */
uint64_t platform_free_bytes(const char *path);
/* Level of the CPU's vector extensions: "x86-64-v4", "x86-64-v3", ... or the machine. */
const char *platform_cpu_level(void);

#endif
