/* json_vocabulary.h - for tests: a small tokenizer.json as LLaMA-2's */
#ifndef TESTS_JSON_VOCABULARY_H
#define TESTS_JSON_VOCABULARY_H

#include <stdio.h>
#include <string.h>

#include "core/bytes.h"

static inline void json_vocabulary_put(struct bytes *file, const char *text)
{
    bytes_put(file, text, strlen(text));
}

/* "<unk>" 0, "<s>" 1, bytes 2 + byte, U+2581 258, "a" 259, "b" 260, "ab" 261, U+2581 "ab"
 * 262; "<s>" before each text. */
static inline struct bytes json_vocabulary(void)
{
    struct bytes file = {0};
    json_vocabulary_put(
        &file,
        "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
        "{\"id\":0,\"content\":\"<unk>\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":false,\"special\":true},"
        "{\"id\":1,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,"
        "\"rstrip\":false,\"normalized\":false,\"special\":true}],"
        "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
        "{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"},{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}]},"
        "\"pre_tokenizer\":null,\"post_processor\":{\"type\":\"TemplateProcessing\","
        "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":["
        "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],\"special_tokens\":{\"<s>\":"
        "{\"id\":\"<s>\",\"ids\":[1],\"tokens\":[\"<s>\"]}}},"
        "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
        "\"pattern\":{\"String\":\"\xe2\x96\x81\"},\"content\":\" \"},"
        "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\","
        "\"content\":\" \",\"start\":1,\"stop\":0}]},"
        "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"<unk>\","
        "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
        "\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,\"<s>\":1,");
    for (unsigned byte = 0; byte < 256; byte++) {
        char entry[32];
        (void)snprintf(entry, sizeof entry, "\"<0x%02X>\":%u,", byte, 2 + byte);
        json_vocabulary_put(&file, entry);
    }
    json_vocabulary_put(&file, "\"\xe2\x96\x81\":258,\"a\":259,\"b\":260,\"ab\":261,"
                               "\"\xe2\x96\x81"
                               "ab\":262},\"merges\":[\"a b\",\"\xe2\x96\x81 ab\"]}}");
    return file;
}

#endif
