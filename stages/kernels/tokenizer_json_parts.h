/* tokenizer_json_parts.h - the parts of a tokenizer.json, for tokenizer_json.c
 *
 * Each reads the value at its place, which may be absent, into `spec`. ERROR_CONFIG names
 * path and what is not supported; ERROR_MEMORY. */
#ifndef STAGES_KERNELS_TOKENIZER_JSON_PARTS_H
#define STAGES_KERNELS_TOKENIZER_JSON_PARTS_H

#include "core/error.h"
#include "stages/kernels/json_place.h"

struct arena;

enum error_code tokenizer_json_normalizer(const struct json_place *place,
                                          struct arena *arena,
                                          struct tokenizer_spec *spec,
                                          struct error *error);

/* *is_byte_level: ByteLevel is among them, so that the vocabulary is one of bytes. */
enum error_code tokenizer_json_splitter(const struct json_place *place,
                                        struct arena *arena, struct tokenizer_spec *spec,
                                        bool *is_byte_level, struct error *error);

/* After the added tokens. */
enum error_code tokenizer_json_model(const struct json_place *place, bool is_byte_level,
                                     struct arena *arena, struct tokenizer_spec *spec,
                                     struct error *error);

/* After the model: it decides where nothing is said. */
enum error_code tokenizer_json_decoder(const struct json_place *place,
                                       struct arena *arena, struct tokenizer_spec *spec,
                                       struct error *error);

/* The template; and from BertProcessing and RobertaProcessing cls and sep. */
enum error_code tokenizer_json_template(const struct json_place *place,
                                        struct arena *arena, struct tokenizer_spec *spec,
                                        struct error *error);

/* {"String": text} or {"Regex": expression} in field "pattern". */
enum error_code tokenizer_json_pattern(const struct json_place *outer,
                                       struct arena *arena, struct byte_range *pattern,
                                       bool *is_regex, struct error *error);

#endif
