/* special_names.c - which added tokens are the beginning, the end, the mask, ... */
#include "stages/kernels/special_names.h"

#include <string.h>

#include "stages/kernels/tokenizer_spec.h"

enum { NAMES_MAX = 8 };

static const char *const bos_names[NAMES_MAX] = {"<s>", "<bos>", "[BOS]",
                                                 "<|begin_of_text|>", "<|startoftext|>"};
static const char *const eos_names[NAMES_MAX] = {"</s>", "<eos>", "[EOS]",
                                                 "<|end_of_text|>", "<|endoftext|>"};
static const char *const cls_names[NAMES_MAX] = {"[CLS]", "<cls>"};
static const char *const sep_names[NAMES_MAX] = {"[SEP]", "<sep>"};
static const char *const mask_names[NAMES_MAX] = {"[MASK]", "<mask>"};
static const char *const pad_names[NAMES_MAX] = {"[PAD]", "<pad>", "<|padding|>",
                                                 "<|pad|>"};

static uint32_t find(const struct tokenizer_spec *spec, const char *const *names)
{
    for (size_t n = 0; n < NAMES_MAX && names[n]; n++) {
        size_t size = strlen(names[n]);
        for (size_t i = 0; i < spec->added_count; i++) {
            const struct added_token *token = &spec->added[i];
            if (token->text.size == size &&
                memcmp(token->text.bytes, names[n], size) == 0)
                return token->id;
        }
    }
    return UINT32_MAX;
}

void special_names_settle(struct tokenizer_spec *spec)
{
    spec->bos = find(spec, bos_names);
    spec->eos = find(spec, eos_names);
    spec->cls = find(spec, cls_names);
    spec->sep = find(spec, sep_names);
    spec->mask = find(spec, mask_names);
    spec->pad = find(spec, pad_names);
}
