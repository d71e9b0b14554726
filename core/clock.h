/* clock.h - times */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_now_us(void);     /* monotonic */
int64_t clock_now_ms(void);     /* monotonic */
int64_t clock_wall_ms(void);    /* since 1970, UTC */
int64_t clock_process_us(void); /* CPU time of this process */
/* "2026-01-31T23:59:59.123Z" into `text`, which holds `size` >= 25 bytes. */
void clock_format(int64_t wall_ms, char *text, size_t size);
void clock_sleep_ms(int64_t ms); /* returns early on a signal */

#endif
