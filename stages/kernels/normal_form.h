/* normal_form.h - Unicode normal forms as Hugging Face's tokenizers make them
 *
 * They follow Unicode 9.0: characters that came later are neither composed, decomposed nor
 * sorted, and keep what is before them from what is behind. */
#ifndef STAGES_KERNELS_NORMAL_FORM_H
#define STAGES_KERNELS_NORMAL_FORM_H

#include <stddef.h>

struct text_builder;
struct unicode_table;

/* Append the normal form of `text`; bytes that are not UTF-8 pass as they are. Time is
 * linear. Want of memory shows in the builder. */
void normal_form_put(const struct unicode_table *table, const unsigned char *text,
                     size_t size, struct text_builder *builder);

#endif
