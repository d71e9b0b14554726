/* regex_class.c - named classes of characters as the inside of a class of PCRE2 */
#include "stages/kernels/regex_class.h"

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/unicode_recent_tables.h"

/* U+180E is PCRE2's \s and no White_Space any more. */
static bool is_recent(uint32_t point)
{
    size_t low = 0, high = RECENT_RANGE_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (point > recent_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return point == 0x180E ||
           (low < RECENT_RANGE_COUNT && point >= recent_ranges[low].first);
}

bool regex_class_is_recent(const unsigned char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        uint32_t point = text[at];
        if (point < 0xCD) { /* the first such character is U+0363 */
            at++;
            continue;
        }
        size_t length = unicode_decode(text + at, size - at, &point);
        if (length > 0 && is_recent(point))
            return true;
        at += length > 0 ? length : 1;
    }
    return false;
}

static void put_text(struct bytes *out, const char *text)
{
    bytes_put(out, text, strlen(text));
}

static void put_range(struct bytes *out, const struct recent_range *range)
{
    char text[40];
    (void)snprintf(text, sizeof text, "\\x{%X}-\\x{%X}", (unsigned)range->first,
                   (unsigned)range->last);
    put_text(out, text);
}

/* A category by its one or two letters. */
static void put_category(struct bytes *out, enum regex_tables tables, const char *name)
{
    put_text(out, "\\p{");
    put_text(out, name);
    put_text(out, "}");
    for (size_t i = 0; tables == TABLES_EXACT && i < RECENT_RANGE_COUNT; i++) {
        if (recent_ranges[i].category[0] &&
            strncmp(recent_ranges[i].category, name, strlen(name)) == 0)
            put_range(out, &recent_ranges[i]);
    }
}

enum property { ALPHABETIC, UPPERCASE, LOWERCASE };

static void put_flag(struct bytes *out, enum regex_tables tables, enum property property)
{
    static const char *const names[] = {"\\p{Alphabetic}", "\\p{Uppercase}",
                                        "\\p{Lowercase}"};
    put_text(out, names[property]);
    for (size_t i = 0; tables == TABLES_EXACT && i < RECENT_RANGE_COUNT; i++) {
        const struct recent_range *range = &recent_ranges[i];
        bool has_it = property == ALPHABETIC  ? range->is_alphabetic
                      : property == UPPERCASE ? range->is_uppercase
                                              : range->is_lowercase;
        if (has_it)
            put_range(out, range);
    }
}

void regex_class_put_word(struct bytes *out, enum regex_tables tables, bool is_rust)
{
    put_flag(out, tables, ALPHABETIC);
    put_category(out, tables, "M");
    put_category(out, tables, "Nd");
    put_category(out, tables, "Pc");
    /* Oniguruma takes the superscripts and fractions of Latin-1 along. */
    put_text(out,
             is_rust ? "\\x{200C}\\x{200D}" : "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}");
}

void regex_class_put_space(struct bytes *out, enum regex_tables tables, bool is_negated)
{
    if (tables == TABLES_OWN) {
        put_text(out, is_negated ? "\\S" : "\\s");
        return;
    }
    put_text(out,
             is_negated
                 ? "\\x{0}-\\x{8}\\x{E}-\\x{1F}\\x{21}-\\x{84}\\x{86}-\\x{9F}\\x{A1}-"
                   "\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}"
                   "\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{D7FF}\\x{E000}-"
                   "\\x{10FFFF}"
                 : "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}"
                   "\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}");
}

/* Small letters and digits of a name; false: it is too long. */
static bool fold_name(const unsigned char *name, size_t size, char folded[40])
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char c = name[i];
        if (c == ' ' || c == '_' || c == '-')
            continue;
        if (c >= 'A' && c <= 'Z')
            c = (unsigned char)(c + ('a' - 'A'));
        if (count == 39 || ((c < 'a' || c > 'z') && (c < '0' || c > '9')))
            return false;
        folded[count++] = (char)c;
    }
    folded[count] = 0;
    return count > 0;
}

static const char *const categories[][2] = {{"L", "letter"},
                                            {"M", "mark"},
                                            {"N", "number"},
                                            {"P", "punctuation"},
                                            {"S", "symbol"},
                                            {"Z", "separator"},
                                            {"Lu", "uppercaseletter"},
                                            {"Ll", "lowercaseletter"},
                                            {"Lt", "titlecaseletter"},
                                            {"Lm", "modifierletter"},
                                            {"Lo", "otherletter"},
                                            {"Mn", "nonspacingmark"},
                                            {"Mc", "spacingmark"},
                                            {"Me", "enclosingmark"},
                                            {"Nd", "decimalnumber"},
                                            {"Nl", "letternumber"},
                                            {"No", "othernumber"},
                                            {"Pc", "connectorpunctuation"},
                                            {"Pd", "dashpunctuation"},
                                            {"Ps", "openpunctuation"},
                                            {"Pe", "closepunctuation"},
                                            {"Pi", "initialpunctuation"},
                                            {"Pf", "finalpunctuation"},
                                            {"Po", "otherpunctuation"},
                                            {"Sm", "mathsymbol"},
                                            {"Sc", "currencysymbol"},
                                            {"Sk", "modifiersymbol"},
                                            {"So", "othersymbol"},
                                            {"Zs", "spaceseparator"},
                                            {"Zl", "lineseparator"},
                                            {"Zp", "paragraphseparator"},
                                            {"Cc", "control"},
                                            {"Cf", "format"},
                                            {"Co", "privateuse"}};

bool regex_class_put_bracket(struct bytes *out, enum regex_tables tables,
                             const unsigned char *name, size_t size)
{
    char folded[40];
    if (!fold_name(name, size, folded))
        return false;
    if (strcmp(folded, "alpha") == 0) {
        put_flag(out, tables, ALPHABETIC);
    } else if (strcmp(folded, "alnum") == 0) {
        put_flag(out, tables, ALPHABETIC);
        put_category(out, tables, "Nd");
    } else if (strcmp(folded, "upper") == 0) {
        put_flag(out, tables, UPPERCASE);
    } else if (strcmp(folded, "lower") == 0) {
        put_flag(out, tables, LOWERCASE);
    } else if (strcmp(folded, "digit") == 0) {
        put_category(out, tables, "Nd");
    } else if (strcmp(folded, "punct") == 0) {
        put_category(out, tables, "P");
        put_category(out, tables, "S");
    } else if (strcmp(folded, "space") == 0) {
        regex_class_put_space(out, tables, false);
    } else if (strcmp(folded, "word") == 0) {
        regex_class_put_word(out, tables, false);
    } else if (strcmp(folded, "blank") == 0) {
        put_text(out, "\\x{9}\\p{Zs}");
    } else if (strcmp(folded, "cntrl") == 0) {
        put_text(out, "\\p{Cc}");
    } else if (strcmp(folded, "xdigit") == 0) {
        put_text(out, "0-9A-Fa-f");
    } else {
        return false;
    }
    return true;
}

/* By script; the name as in Unicode's list, "_" between words. */
static void put_script(struct bytes *out, enum regex_tables tables,
                       const unsigned char *name, size_t size, const char *folded)
{
    put_text(out, "\\p{sc:");
    bytes_put(out, name, size);
    put_text(out, "}");
    for (size_t i = 0; tables == TABLES_EXACT && i < RECENT_RANGE_COUNT; i++) {
        const char *script = recent_ranges[i].script;
        char other[40];
        if (fold_name((const unsigned char *)script, strlen(script), other) &&
            strcmp(other, folded) == 0)
            put_range(out, &recent_ranges[i]);
    }
}

bool regex_class_put_property(struct bytes *out, enum regex_tables tables,
                              const unsigned char *name, size_t size)
{
    char folded[40], letters[3] = {0};
    if (!fold_name(name, size, folded))
        return false;
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++) {
        bool is_short = strlen(folded) == strlen(categories[i][0]);
        for (size_t k = 0; is_short && folded[k]; k++) /* "lu" is Lu */
            letters[k] = k == 0 ? (char)(folded[k] - ('a' - 'A')) : folded[k];
        if ((is_short && strcmp(letters, categories[i][0]) == 0) ||
            strcmp(folded, categories[i][1]) == 0) {
            put_category(out, tables, categories[i][0]);
            return true;
        }
    }
    if (strcmp(folded, "punct") == 0) { /* other than in brackets */
        put_category(out, tables, "P");
        return true;
    }
    if (strcmp(folded, "alphabetic") == 0 || strcmp(folded, "uppercase") == 0 ||
        strcmp(folded, "lowercase") == 0) {
        put_flag(out, tables,
                 folded[0] == 'a'   ? ALPHABETIC
                 : folded[0] == 'u' ? UPPERCASE
                                    : LOWERCASE);
        return true;
    }
    if (strcmp(folded, "whitespace") == 0) {
        regex_class_put_space(out, tables, false);
        return true;
    }
    if (!regex_class_put_bracket(out, tables, name, size))
        put_script(out, tables, name, size, folded); /* PCRE2 refuses what is none */
    return true;
}
