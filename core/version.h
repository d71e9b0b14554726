/* version.h - the version of millrace, and of what it writes */
#ifndef CORE_VERSION_H
#define CORE_VERSION_H

#define MILLRACE_VERSION "0.1.0"

/* Part of every job's fingerprint: one more whenever results for the same input and
 * pipeline change. */
enum { MILLRACE_OUTPUT_VERSION = 1 };

#endif
