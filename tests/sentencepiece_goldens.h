/* sentencepiece_goldens.h - for tests: the ids that SentencePiece gives shared documents */
#ifndef TESTS_SENTENCEPIECE_GOLDENS_H
#define TESTS_SENTENCEPIECE_GOLDENS_H

#include "tests/sentencepiece_coder.h"

/* Both skip where the shared data is missing. */

static inline bool open_shared_model(struct coder *coder, const char *name)
{
    char path[512], file_name[128];
    (void)snprintf(file_name, sizeof file_name, "vocab/sentencepiece/%s.model", name);
    struct bytes file = load_file(shared_path(path, file_name));
    if (file.size == 0)
        return false;
    if (!coder_open_file(coder, file.data, file.size))
        fail_msg("%s", coder->error.text);
    bytes_clear(&file);
    return true;
}

/* Ids of a text as it is, through the plain normalizer. */
static inline size_t encode_raw(struct coder *coder, const unsigned char *text,
                                size_t size, uint32_t **ids)
{
    reference_normalize(coder->spec.normalizers, text, size, &coder->normalized);
    return coder_encode(coder, coder->normalized.data, coder->normalized.size, ids, NULL);
}

static inline void check_goldens(const char *name)
{
    char path[512], file_name[128];
    (void)snprintf(file_name, sizeof file_name, "text_goldens/spm_%s.tsv", name);
    struct bytes goldens = load_file(shared_path(path, file_name));
    struct arena *arena = arena_create(1 << 20, 0);
    static struct golden_document documents[GOLDEN_DOCUMENTS];
    struct coder coder;
    if (goldens.size == 0 || !golden_documents(arena, documents) ||
        !open_shared_model(&coder, name)) {
        print_message("skipped: no shared data for %s\n", name);
        bytes_clear(&goldens);
        arena_destroy(arena);
        skip();
    }
    bytes_put_u8(&goldens, 0);
    const char *line = strchr((const char *)goldens.data, '\n') + 1;
    for (size_t i = 0; i < GOLDEN_DOCUMENTS; i++) {
        char hash[65], wanted[96];
        uint32_t *ids;
        size_t count = encode_raw(&coder, documents[i].text, documents[i].size, &ids);
        sha256_hex(ids, count * sizeof *ids, hash);
        free(ids);
        (void)snprintf(wanted, sizeof wanted, "%zu\t%s", count, hash);
        assert_memory_equal(strchr(line, '\t') + 1, wanted, strlen(wanted));
        line = strchr(line, '\n') + 1;
    }
    coder_close(&coder);
    bytes_clear(&goldens);
    arena_destroy(arena);
}

/* ids_at: behind the text of a case of nasty.json */
static inline void check_nasty_ids(struct coder *coder, const char *name,
                                   const unsigned char *text, size_t size,
                                   const char *ids_at)
{
    char key[64];
    uint32_t *ids;
    (void)snprintf(key, sizeof key, "\"spm_%s\":[", name);
    const char *at = strstr(ids_at, key);
    assert_non_null(at);
    at += strlen(key);
    size_t count = encode_raw(coder, text, size, &ids);
    for (size_t i = 0; i < count; i++) {
        char *end;
        assert_true(*at != ']');
        assert_int_equal(strtoul(at, &end, 10), ids[i]);
        at = *end == ',' ? end + 1 : end;
    }
    assert_int_equal(*at, ']');
    free(ids);
}

static inline void check_nasty(const char *name)
{
    char path[512];
    struct bytes nasty = load_file(shared_path(path, "text_goldens/nasty.json"));
    struct coder coder;
    if (nasty.size == 0 || !open_shared_model(&coder, name)) {
        print_message("skipped: no shared data for %s\n", name);
        bytes_clear(&nasty);
        skip();
    }
    bytes_put_u8(&nasty, 0);
    unsigned char *text = malloc(nasty.size);
    int cases = 0;
    const char *at = (const char *)nasty.data;
    while ((at = strstr(at, "{\"text\":\"")) != NULL) {
        size_t size;
        at = json_string(at + 8, text, &size);
        check_nasty_ids(&coder, name, text, size, at);
        cases++;
    }
    assert_int_equal(cases, 25);
    free(text);
    coder_close(&coder);
    bytes_clear(&nasty);
}

#endif
