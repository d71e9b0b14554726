/* trainer_stage.c - what the stages that train a tokenizer share */
#include "stages/trainer_stage.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { PATH_SIZE = 4096, WORK_BLOCK = 4 << 20 };

enum error_code trainer_stage_plan(const struct trainer_common *common,
                                   const struct schema *schema,
                                   const struct stage_place *place, const char *stage,
                                   struct error *error)
{
    const struct schema_field *text = schema_find(schema, "text");
    const struct text_list *special = &common->special;
    if (!text)
        return error_set_at(
            error, place->stage,
            "stage %s needs column \"text\", which nothing before it makes", stage);
    if (text->type != COLUMN_UTF8)
        return error_set_at(error, place->stage,
                            "stage %s needs column \"text\" to be utf8", stage);
    for (size_t i = 0; i < special->count; i++) {
        if (special->items[i][0] == 0)
            return error_set_at(error, stage_option_position(place, "special"),
                                "a special token is empty");
        for (size_t k = 0; k < i; k++)
            if (strcmp(special->items[i], special->items[k]) == 0)
                return error_set_at(error, stage_option_position(place, "special"),
                                    "special token \"%.100s\" stands twice",
                                    special->items[i]);
    }
    return OK;
}

void trainer_stage_close(struct stage *self)
{
    struct trainer_state *state = self->state;
    piece_table_destroy(state->table);
}

enum error_code trainer_stage_begin(struct stage *self, struct error *error)
{
    struct trainer_state *state = self->state;
    piece_table_destroy(state->table);
    state->table = NULL;
    return piece_table_create(&state->options, &state->table, error);
}

enum error_code trainer_stage_process(struct stage *self, const struct batch *in,
                                      struct stage_output *output, struct error *error)
{
    struct trainer_state *state = self->state;
    const struct column *text = batch_column(in, "text");
    enum error_code code = OK;
    (void)output;
    if (!text || text->type != COLUMN_UTF8)
        return error_set(error, ERROR_FATAL, "no column \"text\" to learn from");
    for (uint32_t row = 0; code == OK && row < in->count; row++)
        if (column_is_valid(text, row))
            code = piece_table_add_text(state->table, column_row(text, row),
                                        (size_t)column_row_length(text, row), error);
    return code;
}

enum error_code trainer_stage_save(struct stage *self, struct bytes *out,
                                   struct error *error)
{
    const struct trainer_state *state = self->state;
    return piece_table_save(state->table, out, error);
}

enum error_code trainer_stage_merge(struct stage *self, const void *saved, size_t size,
                                    struct error *error)
{
    struct trainer_state *state = self->state;
    return piece_table_merge(state->table, saved, size, error);
}

static enum error_code write_file(const char *folder, const char *name,
                                  const struct bytes *content, struct error *error)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot create \"%s\"", path);
    bool is_written = fwrite(content->data, 1, content->size, file) == content->size;
    int number = errno;
    if (fclose(file) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    return is_written
               ? OK
               : error_set_errno(error, ERROR_IO, number, "cannot write \"%s\"", path);
}

static enum error_code train(const struct piece_table *table,
                             const struct trainer_common *common,
                             struct trainer_options options, enum trainer_format format,
                             struct arena *work, struct bytes *content,
                             struct error *error)
{
    const struct text_list *texts = &common->special;
    struct byte_range *special = ARENA_NEW(work, struct byte_range, texts->count);
    struct trained trained;
    if (!special)
        return error_set(error, ERROR_MEMORY, "no memory to train");
    for (size_t i = 0; i < texts->count; i++)
        special[i] = (struct byte_range){.bytes = (const unsigned char *)texts->items[i],
                                         .size = strlen(texts->items[i])};
    options.special = special;
    options.special_count = texts->count;
    options.vocabulary_size = (uint32_t)common->vocabulary_size;
    enum error_code code = trainer_train(table, &options, work, &trained, error);
    return code == OK ? trainer_file_write(&trained, format, content, error) : code;
}

enum error_code trainer_stage_finish(struct stage *self,
                                     const struct trainer_common *common,
                                     const struct trainer_options *options,
                                     enum trainer_format format, const char *folder,
                                     const char *name, struct error *error)
{
    const struct trainer_state *state = self->state;
    struct bytes content = {0};
    struct arena *work = arena_create(WORK_BLOCK, 0);
    if (!work)
        return error_set(error, ERROR_MEMORY, "no memory to train");
    enum error_code code =
        train(state->table, common, *options, format, work, &content, error);
    if (code == OK && content.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a trained vocabulary");
    if (code == OK)
        code = write_file(folder, name, &content, error);
    bytes_clear(&content);
    arena_destroy(work);
    return code;
}
