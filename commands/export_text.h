/* export_text.h - texts as XML, as a part of a URL and as names of files */
#ifndef COMMANDS_EXPORT_TEXT_H
#define COMMANDS_EXPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"

/* All of them append to `out`; want of memory shows in out->is_bad. */

/* Characters of an XML 1.0 attribute or element. What XML cannot say even in an escape, and
 * each byte that is not part of UTF-8, becomes U+FFFD, as in JSON. */
void text_put_xml(const char *text, size_t size, struct bytes *out);

/* Percent-encoded all but letters, digits, - . _ ~ and the slash. */
void text_put_url(const char *text, size_t size, struct bytes *out);

/* A relative path made of any text: different texts make different paths, none of which
 * leaves the folder that it is put into. Slashes between names stay. As %XX are written
 * control characters and what else ends lines, the backslash, bytes that are not UTF-8, a
 * dot at the beginning of a name, a slash without a name on each side, and a percent sign
 * in front of two hex digits.
 * NULL, or what is wrong with the text. */
const char *text_put_path(const char *text, size_t size, struct bytes *out);

/* How many bytes the text has without the extension of an image file, if it has one. */
size_t text_stem(const char *text, size_t size);

/* What stands behind the last slash. */
const char *text_last_name(const char *text, size_t size, size_t *name_size);

#endif
