/* special_names.h - which added tokens are the beginning, the end, the mask, ... */
#ifndef STAGES_KERNELS_SPECIAL_NAMES_H
#define STAGES_KERNELS_SPECIAL_NAMES_H

struct tokenizer_spec;

/* Set bos, eos, cls, sep, mask and pad to the ids of the added tokens that have one of the
 * usual names ("<s>", "[CLS]", "<|endoftext|>", ...); of several the name that stands
 * first in the list of special_names.c; UINT32_MAX: none has. */
void special_names_settle(struct tokenizer_spec *spec);

#endif
