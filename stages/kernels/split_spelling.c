/* split_spelling.c - which expressions of tokenizer files are patterns of split.h */
#include "stages/kernels/split_spelling.h"

#include <string.h>

#define TAIL "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OLD_TAIL "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"
#define CL100K_END(digits) \
    "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" TAIL
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffix)                                                                    \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "?|[^\\r\\n\\p{L}\\p{N}]?" UPPER \
    "+" LOWER "*" suffix "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" TAIL

static const struct {
    const char *expression;
    enum split_pattern pattern;
} spellings[] = {
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     SPLIT_R50K},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     SPLIT_R50K},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|"
     "\\s+(?!\\S)|\\s",
     SPLIT_R50K},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)" CL100K_END("\\p{N}{1,3}"), SPLIT_CL100K},
    {"'(?i:[sdmt]|ll|ve|re)" CL100K_END("\\p{N}{1,3}"), SPLIT_CL100K},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*" OLD_TAIL,
     SPLIT_CL100K},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)" CL100K_END("\\p{N}"), SPLIT_QWEN},
    {"'(?i:[sdmt]|ll|ve|re)" CL100K_END("\\p{N}"), SPLIT_QWEN},
    {O200K("(?i:'s|'t|'re|'ve|'m|'ll|'d)"), SPLIT_O200K},
    {O200K("('(?i:[sdmt]|ll|ve|re))"), SPLIT_O200K},
};

bool split_recognise(const unsigned char *expression, size_t size,
                     enum split_pattern *pattern)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (strlen(spellings[i].expression) == size &&
            memcmp(spellings[i].expression, expression, size) == 0) {
            *pattern = spellings[i].pattern;
            return true;
        }
    }
    return false;
}

const char *split_spelling(size_t index, enum split_pattern *pattern)
{
    if (index >= sizeof spellings / sizeof *spellings)
        return NULL;
    *pattern = spellings[index].pattern;
    return spellings[index].expression;
}
