/* test_model_bundle.c - models of one file run as their own files do; damage is told */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "stages/kernels/model_bundle.h"
#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"
#include "tests/onnx_library.h"
#include "tests/onnx_writer.h"
#include "tests/text_goldens.h"

enum { PAGE = 4096, NAME_AT = 16, MODELS = 3, NUMBERS = 5 };

static const uint64_t notes[BUNDLE_NOTES] = {7, 0, UINT64_MAX, UINT64_C(1) << 40};

struct place { /* a folder with models that add 1, 10 and 100 to a vector, and more */
    struct onnx_runtime *runtime;
    char folder[32], paths[MODELS][64], target[64];
    const char *names[MODELS];
    struct bytes bundle; /* of the three models */
};

static struct bytes adding_model(float number)
{
    static const int64_t any[] = {-1}, one[] = {1};
    struct bytes graph = {0};
    onnx_put_node(&graph, "Add", "a", "number", "out", NULL);
    onnx_put_weights(&graph, "number", WRITE_F32, one, 1, &number, sizeof number);
    onnx_put_port(&graph, 11, "a", WRITE_F32, any, 1);
    onnx_put_port(&graph, 12, "out", WRITE_F32, any, 1);
    return onnx_model(&graph);
}

static void put_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static const float numbers[MODELS] = {1, 10, 100};

static void open_place(struct place *place)
{
    struct error error;
    need_onnx_library();
    *place = (struct place){.folder = "/tmp/test_bundle.XXXXXX"};
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->target, sizeof place->target, "%s/bundle", place->folder);
    if (onnx_runtime_open(onnx_library_path(), &place->runtime, &error) != OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < MODELS; i++) {
        struct bytes model = adding_model(numbers[i]);
        (void)snprintf(place->paths[i], sizeof place->paths[i], "%s/%zu.onnx",
                       place->folder, i);
        put_file(place->paths[i], model.data, model.size);
        bytes_clear(&model);
        place->names[i] = place->paths[i];
    }
    if (model_bundle_write(place->runtime, place->names, MODELS, notes, place->target,
                           &error) != OK)
        fail_msg("%s", error.text);
    place->bundle = load_file(place->target);
    assert_true(place->bundle.size > (size_t)MODELS * PAGE);
}

/* Nothing but what was put there is left behind. */
static void close_place(struct place *place)
{
    bytes_clear(&place->bundle);
    onnx_runtime_close(place->runtime);
    for (size_t i = 0; i < MODELS; i++)
        assert_int_equal(unlink(place->paths[i]), 0);
    (void)unlink(place->target);
    assert_int_equal(rmdir(place->folder), 0);
}

static enum error_code open_model(const struct place *place, const void *bundle,
                                  size_t size, size_t i, struct onnx_session **session,
                                  struct error *error)
{
    *session = NULL;
    return model_bundle_open(place->runtime, bundle, size, i, "faces", session, error);
}

static void assert_adds(struct onnx_session *session, float number)
{
    static const float values[NUMBERS] = {0, 0.5F, -3, 1e6F, -1e-6F};
    struct onnx_tensor in = {.name = "a",
                             .type = ONNX_F32,
                             .rank = 1,
                             .shape = {NUMBERS},
                             .data = values,
                             .size = sizeof values};
    struct onnx_tensor out = {.name = "out"};
    struct error error;
    if (onnx_session_run(session, &in, 1, &out, 1, &error) != OK)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < NUMBERS; i++)
        assert_float_equal(((const float *)out.data)[i], values[i] + number, 0);
}

static void each_model_runs_as_its_file_does(void **state)
{
    (void)state;
    struct place place;
    struct error error;
    struct onnx_session *sessions[MODELS];
    open_place(&place);
    for (size_t i = 0; i < MODELS; i++)
        if (open_model(&place, place.bundle.data, place.bundle.size, i, &sessions[i],
                       &error) != OK)
            fail_msg("%s", error.text);
    for (size_t i = 0; i < MODELS; i++)
        assert_adds(sessions[i], numbers[i]);
    for (size_t i = 0; i < MODELS; i++)
        onnx_session_close(sessions[i]);
    for (size_t i = 0; i < BUNDLE_NOTES; i++)
        assert_true(model_bundle_note(place.bundle.data, i) == notes[i]);
    close_place(&place);
}

static void assert_damaged(const struct place *place, size_t size, size_t i,
                           const char *text)
{
    struct onnx_session *session;
    struct error error;
    unsigned char *copy = malloc(size + 1); /* to the byte, for ASan */
    assert_non_null(copy);
    memcpy(copy, place->bundle.data, size);
    assert_int_equal(open_model(place, copy, size, i, &session, &error), ERROR_DAMAGED);
    assert_null(session);
    assert_non_null(strstr(error.text, "faces"));
    assert_non_null(strstr(error.text, text));
    free(copy);
}

static void a_bundle_that_is_cut_short_is_told(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    assert_damaged(&place, 0, 0, "is cut short");
    assert_damaged(&place, NAME_AT, 0, "is cut short");
    assert_damaged(&place, PAGE, 0, "is damaged");
    assert_damaged(&place, place.bundle.size - 1, 0, "is damaged");
    close_place(&place);
}

static void what_is_no_bundle_and_no_model_of_it_is_told(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    assert_damaged(&place, place.bundle.size, MODELS, "is damaged");
    place.bundle.data[0] ^= 1;
    assert_damaged(&place, place.bundle.size, 0, "is damaged");
    place.bundle.data[0] ^= 1;
    memset(place.bundle.data + 8, 0xff, 8); /* so many models */
    assert_damaged(&place, place.bundle.size, 0, "is damaged");
    close_place(&place);
}

static void a_bundle_of_another_library_is_told(void **state)
{
    (void)state;
    struct place place;
    open_place(&place);
    assert_string_equal((const char *)place.bundle.data + NAME_AT,
                        onnx_runtime_name(place.runtime));
    memcpy(place.bundle.data + NAME_AT, "onnxruntime 0", 13);
    assert_damaged(&place, place.bundle.size, 0, "is of \"onnxruntime 0");
    assert_damaged(&place, place.bundle.size, 0, onnx_runtime_name(place.runtime));
    close_place(&place);
}

static void a_file_that_is_no_model_leaves_no_bundle(void **state)
{
    (void)state;
    struct place place;
    struct error error;
    open_place(&place);
    put_file(place.paths[1], "hello, world\n", 13);
    assert_int_equal(model_bundle_write(place.runtime, place.names, MODELS, notes,
                                        place.target, &error),
                     ERROR_CONFIG);
    assert_non_null(strstr(error.text, place.paths[1]));
    assert_int_not_equal(access(place.target, F_OK), 0);
    place.names[1] = "/nowhere/m.onnx";
    assert_int_equal(model_bundle_write(place.runtime, place.names, MODELS, notes,
                                        place.target, &error),
                     ERROR_IO);
    assert_int_not_equal(access(place.target, F_OK), 0);
    close_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_model_runs_as_its_file_does),
        cmocka_unit_test(a_bundle_that_is_cut_short_is_told),
        cmocka_unit_test(what_is_no_bundle_and_no_model_of_it_is_told),
        cmocka_unit_test(a_bundle_of_another_library_is_told),
        cmocka_unit_test(a_file_that_is_no_model_leaves_no_bundle),
    };
    return cmocka_run_group_tests(tests, open_onnx_library_first, NULL);
}
