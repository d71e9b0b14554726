/* compiler.h - the few compiler extensions in use */
#ifndef CORE_COMPILER_H
#define CORE_COMPILER_H

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define PREFETCH(address) __builtin_prefetch(address)
#define TRAILING_ZEROS(value) ((unsigned)__builtin_ctzll(value)) /* value != 0 */
#define LEADING_ZEROS(value) ((unsigned)__builtin_clzll(value)) /* value != 0 */
#define COUNT_ONES(value) ((unsigned)__builtin_popcountll(value))
#define INLINE static inline __attribute__((always_inline))
#define TARGET(extensions) __attribute__((target(extensions)))

/* Does the CPU have the extension ("avx2")? x86-64 only. */
#define CPU_SUPPORTS(extension) __builtin_cpu_supports(extension)

/* Compile one function for a CPU that has these ("avx2,bmi"). x86-64 only. */
#define CPU_TARGET(extensions) __attribute__((target(extensions)))

#endif
