/* compiler.h - the few compiler extensions in use */
#ifndef CORE_COMPILER_H
#define CORE_COMPILER_H

#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define PREFETCH(address) __builtin_prefetch(address)
#define TRAILING_ZEROS(value) ((unsigned)__builtin_ctzll(value)) /* value != 0 */

#endif
