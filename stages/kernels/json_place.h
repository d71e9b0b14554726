/* json_place.h - values of a JSON document that know where they stand, for messages
 *
 * A place is made on the stack from the place around it, which must outlive it. What is
 * refused is named by its path: `pre_tokenizer.pretokenizers[1].behavior`. */
#ifndef STAGES_KERNELS_JSON_PLACE_H
#define STAGES_KERNELS_JSON_PLACE_H

#include "core/compiler.h"
#include "core/error.h"
#include "core/json_document.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;

struct json_place {
    const struct json_place *outer; /* NULL: the document */
    const char *name;               /* NULL: an element of an array */
    size_t index;
    struct json_node node;
};

/* The field `name` of an object; its node is JSON_ABSENT where there is none or null. */
struct json_place place_field(const struct json_place *outer, const char *name);

struct json_place place_item(const struct json_place *outer, size_t index,
                             struct json_node node);

/* ERROR_CONFIG: "PATH: text". */
enum error_code place_refuse(const struct json_place *place, struct error *error,
                             const char *format, ...) PRINTF_LIKE(3, 4);

/* Refuse an object that is none, or that has a field not in `names` (up to a NULL) whose
 * value is neither null nor false. */
enum error_code place_check_fields(const struct json_place *place,
                                   const char *const *names, struct error *error);

/* The text of a string, copied to the arena. An absent one: empty, or refused. */
enum error_code place_text(const struct json_place *outer, const char *name,
                           bool is_needed, struct arena *arena, struct byte_range *text,
                           struct error *error);
enum error_code place_bool(const struct json_place *outer, const char *name, bool initial,
                           bool *value, struct error *error);

/* A token id below TOKEN_ID_LIMIT. */
enum error_code place_id(const struct json_place *place, uint32_t *id,
                         struct error *error);

/* Which of `names` (up to a NULL) the string field `name` is; refused when none. */
enum error_code place_choice(const struct json_place *outer, const char *name,
                             const char *const *names, size_t *choice,
                             struct error *error);

bool range_equals(struct byte_range range, const char *text);

/* Room for one more element behind `count` of them; grows in the arena. NULL: no memory. */
void *arena_list_grow(struct arena *arena, void *items, size_t count, size_t *capacity,
                      size_t element);

#endif
