/* bench_link.c - CPU time a message through two links in memory */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/link.h"

enum { MESSAGES = 2000000, SIZE = 60 };

static void carry(struct link *from, struct link *to, uint64_t *received, int64_t now_ms)
{
    size_t size;
    const unsigned char *frame;
    while ((frame = link_output(from, now_ms, &size)) != NULL)
        if (link_accept(to, frame, size, now_ms) == LINK_MESSAGE)
            while (link_next(to, &size))
                (*received)++;
}

int main(void)
{
    static const struct link_settings settings = {500, 1024, 256};
    static const unsigned char message[SIZE];
    struct link *a = link_create(1, &settings), *b = link_create(2, &settings);
    uint64_t sent = 0, received = 0;
    int64_t begin_us = clock_process_us();
    if (!a || !b)
        return 1;
    while (received < MESSAGES) {
        for (int i = 0; i < 2000 && sent < MESSAGES; i++, sent++)
            if (link_send(a, message, SIZE, NULL) != OK)
                return 1;
        int64_t now_ms = (int64_t)(sent / 1000);
        carry(a, b, &received, now_ms);
        carry(b, a, &received, now_ms);
    }
    int64_t spent_us = clock_process_us() - begin_us;
    (void)printf("link: %d messages of %d bytes, %.3f us CPU each, %.2f million/s\n",
                 MESSAGES, SIZE, (double)spent_us / MESSAGES,
                 (double)MESSAGES / (double)spent_us);
    link_destroy(a);
    link_destroy(b);
    return 0;
}
