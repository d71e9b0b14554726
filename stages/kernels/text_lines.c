/* text_lines.c - the lines of a text, one after another */
#include "stages/kernels/text_lines.h"

#include <string.h>

#include "stages/kernels/tokenizer_spec.h"

struct text_lines text_lines_over(const unsigned char *text, size_t size)
{
    return (struct text_lines){.at = text, .end = text + size};
}

bool text_lines_next(struct text_lines *lines, struct byte_range *line)
{
    if (lines->at == lines->end)
        return false;
    const unsigned char *begin = lines->at;
    const unsigned char *end = memchr(begin, '\n', (size_t)(lines->end - begin));
    lines->at = end ? end + 1 : lines->end;
    lines->number++;
    if (!end)
        end = lines->end;
    else if (end > begin && end[-1] == '\r')
        end--;
    *line = (struct byte_range){begin, (size_t)(end - begin)};
    return true;
}

size_t text_lines_count(const struct text_lines *lines)
{
    struct text_lines rest = *lines;
    struct byte_range line;
    size_t count = 0;
    while (text_lines_next(&rest, &line))
        count++;
    return count;
}
