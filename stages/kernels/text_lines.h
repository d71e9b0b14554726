/* text_lines.h - the lines of a text, one after another */
#ifndef STAGES_KERNELS_TEXT_LINES_H
#define STAGES_KERNELS_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>

struct byte_range;

struct text_lines {
    const unsigned char *at, *end; /* borrowed */
    size_t number;                 /* of the line given last, from 1 */
};

struct text_lines text_lines_over(const unsigned char *text, size_t size);

/* Without "\n" or "\r\n". False: there are no more. */
bool text_lines_next(struct text_lines *lines, struct byte_range *line);

size_t text_lines_count(const struct text_lines *lines); /* of those to come */

#endif
