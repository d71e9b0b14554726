/* test_onnx_session.c - models run, and what is wrong with them or their inputs is told */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/process.h"
#include "stages/kernels/onnx_runtime.h"
#include "stages/kernels/onnx_session.h"
#include "tests/onnx_library.h"
#include "tests/onnx_writer.h"
#include "tests/text_goldens.h"

static struct onnx_runtime *open_runtime(void)
{
    struct onnx_runtime *runtime;
    struct error error;
    need_onnx_library();
    if (onnx_runtime_open(onnx_library_path(), &runtime, &error) != OK)
        fail_msg("%s", error.text);
    return runtime;
}

static const int64_t any_by_three[] = {-1, 3}, three[] = {3}, three_by_two[] = {3, 2},
                     any[] = {-1};
static const float weights[] = {1, 2, 3, 4, 5, 6}, added[] = {10, 20, 30};

/* y = (x + added) * weights; x, same: (batch, 3), y: (batch, 2). */
static struct bytes linear_model(void)
{
    static const int64_t any_by_two[] = {-1, 2};
    struct bytes graph = {0};
    onnx_put_node(&graph, "Add", "x", "added", "sum", NULL);
    onnx_put_node(&graph, "MatMul", "sum", "weights", "y", NULL);
    onnx_put_node(&graph, "Identity", "x", NULL, "same", NULL);
    onnx_put_weights(&graph, "added", WRITE_F32, three, 1, added, sizeof added);
    onnx_put_weights(&graph, "weights", WRITE_F32, three_by_two, 2, weights,
                     sizeof weights);
    onnx_put_port(&graph, 11, "x", WRITE_F32, any_by_three, 2);
    onnx_put_port(&graph, 12, "y", WRITE_F32, any_by_two, 2);
    onnx_put_port(&graph, 12, "same", WRITE_F32, any_by_three, 2);
    return onnx_model(&graph);
}

/* out = OPERATION of inputs "a" and (where not NULL) "b", all vectors of any length. */
static struct bytes vector_model(const char *operation, const char *second, uint32_t type)
{
    static const int64_t other[] = {-2};
    struct bytes graph = {0};
    onnx_put_node(&graph, operation, "a", second, "out", NULL);
    onnx_put_port(&graph, 11, "a", type, any, 1);
    if (second)
        onnx_put_port(&graph, 11, second, type, other, 1);
    onnx_put_port(&graph, 12, "out", type, any, 1);
    return onnx_model(&graph);
}

/* Takes `model`. */
static struct onnx_session *open_session(const struct onnx_runtime *runtime,
                                         struct bytes *model)
{
    struct onnx_session *session;
    struct error error;
    assert_false(model->is_bad);
    if (onnx_session_open_bytes(runtime, "small", model->data, model->size, &session,
                                &error) != OK)
        fail_msg("%s", error.text);
    bytes_clear(model);
    return session;
}

static struct onnx_tensor vector(const char *name, enum onnx_type type, const void *data,
                                 size_t count)
{
    return (struct onnx_tensor){.name = name,
                                .type = type,
                                .rank = 1,
                                .shape = {(int64_t)count},
                                .data = data,
                                .size = count * onnx_type_size(type)};
}

static struct onnx_tensor rows_of_three(const float *data, size_t rows)
{
    return (struct onnx_tensor){.name = "x",
                                .type = ONNX_F32,
                                .rank = 2,
                                .shape = {(int64_t)rows, 3},
                                .data = data,
                                .size = rows * 3 * sizeof *data};
}

static void assert_linear(struct onnx_session *session, const float *x, size_t rows)
{
    struct onnx_tensor in = rows_of_three(x, rows), out = {.name = "y"};
    struct error error;
    if (onnx_session_run(session, &in, 1, &out, 1, &error) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(out.type, ONNX_F32);
    assert_int_equal(out.rank, 2);
    assert_int_equal(out.shape[0], rows);
    assert_int_equal(out.shape[1], 2);
    assert_int_equal(out.size, rows * 2 * sizeof(float));
    const float *y = out.data;
    for (size_t i = 0; i < rows * 2; i++) {
        float wanted = 0;
        for (size_t k = 0; k < 3; k++)
            wanted += (x[i / 2 * 3 + k] + added[k]) * weights[2 * k + i % 2];
        assert_float_equal(y[i], wanted, 0);
    }
}

/* ---- the library ---- */

static void a_library_that_is_not_there_is_told(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = NULL;
    struct error error;
    assert_int_equal(onnx_runtime_open("/nowhere/libonnxruntime.so.1", &runtime, &error),
                     ERROR_CONFIG);
    assert_non_null(strstr(error.text, "/nowhere/libonnxruntime.so.1"));
    char *kept = getenv("MILLRACE_ONNXRUNTIME");
    kept = kept ? strdup(kept) : NULL;
    assert_int_equal(setenv("MILLRACE_ONNXRUNTIME", "/nowhere/else.so", 1), 0);
    assert_int_equal(onnx_runtime_open(NULL, &runtime, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "named in MILLRACE_ONNXRUNTIME"));
    assert_non_null(strstr(error.text, "/nowhere/else.so"));
    assert_int_equal(unsetenv("MILLRACE_ONNXRUNTIME"), 0);
    if (onnx_runtime_open(NULL, &runtime, &error) == OK) { /* the system has one */
        onnx_runtime_close(runtime);
        runtime = NULL;
    } else {
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_int_equal(strncmp(error.text, "ONNX Runtime is not installed: ", 31), 0);
        assert_non_null(strstr(error.text, "prepare_onnxruntime data"));
        assert_non_null(strstr(error.text, "MILLRACE_ONNXRUNTIME"));
    }
    assert_int_equal(kept ? setenv("MILLRACE_ONNXRUNTIME", kept, 1)
                          : unsetenv("MILLRACE_ONNXRUNTIME"),
                     0);
    free(kept);
    assert_null(runtime);
}

static void another_library_is_refused(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = NULL;
    struct error error;
    assert_int_equal(onnx_runtime_open("libm.so.6", &runtime, &error), ERROR_CONFIG);
    assert_string_equal(error.text, "\"libm.so.6\" is not ONNX Runtime");
    assert_null(runtime);
}

static size_t count_entries(const char *folder)
{
    size_t count = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    while (readdir(listing))
        count++;
    (void)closedir(listing);
    return count;
}

static void it_says_its_version_and_opens_again_and_again(void **state)
{
    (void)state;
    struct onnx_runtime *first = open_runtime(), *second = open_runtime();
    const char *version = onnx_runtime_version(first);
    char start[100];
    assert_int_equal(strncmp(version, "1.", 2), 0);
    (void)snprintf(start, sizeof start, "onnxruntime %s ", version);
    assert_int_equal(strncmp(onnx_runtime_name(first), start, strlen(start)), 0);
    assert_int_equal(strlen(onnx_runtime_name(first)), strlen(start) + 8);
    assert_string_equal(onnx_runtime_name(first), onnx_runtime_name(second));
    char name[100];
    struct error error;
    assert_int_equal(onnx_runtime_copy_name(name, sizeof name, &error), OK);
    assert_string_equal(name, onnx_runtime_name(first));
    assert_int_equal(access(onnx_runtime_path(first), R_OK), 0);
    onnx_runtime_close(second);
    onnx_runtime_close(first);
    onnx_runtime_close(NULL);
    first = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(first, &model);
    assert_linear(session, weights, 2);
    onnx_session_close(session);
    onnx_runtime_close(first);
}

static void it_starts_no_thread_and_keeps_no_file_open(void **state)
{
    (void)state;
    size_t threads = count_entries("/proc/self/task"),
           files = count_entries("/proc/self/fd");
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    assert_linear(session, weights, 2);
    assert_int_equal(count_entries("/proc/self/task"), threads);
    assert_int_equal(count_entries("/proc/self/fd"), files);
    char *argv[] = {"true", NULL};
    struct process child = {.input = -1, .output = -1};
    struct process_settings settings = {.argv = argv};
    struct process_end end;
    struct error error;
    assert_int_equal(process_start(&settings, &child, &error), OK);
    assert_true(process_wait(&child, -1, &end));
    assert_false(end.is_signal);
    assert_int_equal(end.number, 0);
    (void)process_stop(&child, 0);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

/* ---- runs ---- */

static void a_batch_of_any_size_runs(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    float x[ROWS * 3];
    for (size_t i = 0; i < ROWS * 3; i++)
        x[i] = (float)((i * 37) % 101) - 50;
    for (size_t rows = 1; rows <= ROWS; rows += 19)
        assert_linear(session, x, rows);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void a_batch_without_rows_gives_none(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    assert_linear(session, NULL, 0);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void ports_are_described(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    assert_int_equal(onnx_session_input_count(session), 1);
    assert_int_equal(onnx_session_output_count(session), 2);
    const struct onnx_port *x = onnx_session_input(session, 0);
    assert_string_equal(x->name, "x");
    assert_int_equal(x->type, ONNX_F32);
    assert_int_equal(x->rank, 2);
    assert_int_equal(x->shape[0], -1);
    assert_int_equal(x->shape[1], 3);
    assert_string_equal(onnx_session_output(session, 0)->name, "y");
    assert_ptr_equal(onnx_session_find_input(session, "x"), x);
    assert_ptr_equal(onnx_session_find_output(session, "same"),
                     onnx_session_output(session, 1));
    assert_null(onnx_session_find_input(session, "y"));
    assert_null(onnx_session_find_output(session, "x"));
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void outputs_come_in_the_order_asked_for_and_last_until_reset(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    struct onnx_tensor in = rows_of_three(weights, 2);
    struct onnx_tensor out[] = {{.name = "same"}, {.name = "y"}};
    struct error error;
    assert_int_equal(onnx_session_run(session, &in, 1, out, 2, &error), OK);
    assert_int_equal(out[0].size, sizeof weights);
    assert_memory_equal(out[0].data, weights, sizeof weights);
    assert_float_equal(((const float *)out[1].data)[0], 11 * 1 + 22 * 3 + 33 * 5, 0);
    onnx_session_reset(session);
    onnx_session_reset(session);
    assert_linear(session, weights, 2);
    onnx_session_close(session); /* the outputs of the last run with it */
    onnx_runtime_close(runtime);
}

static void numbers_of_each_type_go_through(void **state)
{
    (void)state;
    static const struct {
        uint32_t number;
        enum onnx_type type;
    } cases[] = {{WRITE_F32, ONNX_F32}, {WRITE_U8, ONNX_U8},   {WRITE_I32, ONNX_I32},
                 {WRITE_I64, ONNX_I64}, {WRITE_F16, ONNX_F16}, {11, ONNX_F64},
                 {3, ONNX_I8},          {9, ONNX_BOOL}};
    static const unsigned char data[40] = {1, 0, 1, 1, 0, 0, 0, 1, 1};
    struct onnx_runtime *runtime = open_runtime();
    struct error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes model = vector_model("Identity", NULL, cases[i].number);
        struct onnx_session *session = open_session(runtime, &model);
        struct onnx_tensor in = vector("a", cases[i].type, data, 5);
        struct onnx_tensor out = {.name = "out"};
        assert_int_equal(onnx_session_input(session, 0)->type, cases[i].type);
        assert_int_equal(onnx_session_run(session, &in, 1, &out, 1, &error), OK);
        assert_int_equal(out.type, cases[i].type);
        assert_int_equal(out.size, 5 * onnx_type_size(cases[i].type));
        assert_memory_equal(out.data, data, out.size);
        onnx_session_close(session);
    }
    onnx_runtime_close(runtime);
}

static void several_inputs_may_come_in_any_order(void **state)
{
    (void)state;
    static const int64_t a[] = {7, -8, 9}, b[] = {1, 2, INT64_C(1) << 40};
    static const int64_t difference[] = {6, -10, 9 - (INT64_C(1) << 40)};
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = vector_model("Sub", "b", WRITE_I64);
    struct onnx_session *session = open_session(runtime, &model);
    struct onnx_tensor in[] = {vector("b", ONNX_I64, b, 3), vector("a", ONNX_I64, a, 3)};
    struct onnx_tensor out = {.name = "out"};
    struct error error;
    assert_int_equal(onnx_session_run(session, in, 2, &out, 1, &error), OK);
    assert_memory_equal(out.data, difference, sizeof difference);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

/* ---- what is wrong is told ---- */

static void assert_refused(struct onnx_session *session, const struct onnx_tensor *in,
                           size_t count, const char *output, const char *text)
{
    struct onnx_tensor out = {.name = output};
    struct error error;
    assert_int_equal(onnx_session_run(session, in, count, &out, 1, &error), ERROR_CONFIG);
    assert_string_equal(error.text, text);
    assert_null(out.data);
}

static void inputs_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = open_session(runtime, &model);
    const struct onnx_tensor right = rows_of_three(weights, 2);
    struct onnx_tensor in[] = {right, right};
    assert_refused(session, in, 0, "y", "input \"x\" of the model is given 0 times");
    assert_refused(session, in, 2, "y", "input \"x\" of the model is given 2 times");
    assert_refused(session, in, 1, "z",
                   "the model has no output \"z\"; it has \"y\", \"same\"");
    in[0].name = "images";
    assert_refused(session, in, 1, "y",
                   "the model has no input \"images\"; it has \"x\"");
    in[0] = right;
    in[0].type = ONNX_U8;
    assert_refused(session, in, 1, "y",
                   "the model takes f32 as input \"x\", and is given u8");
    in[0] = right;
    in[0].shape[0] = 3;
    in[0].shape[1] = 2;
    assert_refused(
        session, in, 1, "y",
        "the model takes the shape (?, 3) as input \"x\", and is given (3, 2)");
    in[0].rank = 1;
    assert_refused(session, in, 1, "y",
                   "the model takes the shape (?, 3) as input \"x\", and is given (3)");
    in[0] = right;
    in[0].shape[0] = INT64_MAX;
    struct onnx_tensor out = {.name = "y"};
    struct error error;
    assert_int_equal(onnx_session_run(session, in, 1, &out, 1, &error), ERROR_CONFIG);
    in[0] = right;
    in[0].size -= sizeof(float);
    assert_int_equal(onnx_session_run(session, in, 1, &out, 1, &error), ERROR_FATAL);
    struct onnx_tensor many[] = {{.name = "y"}, {.name = "y"}, {.name = "y"}};
    assert_int_equal(onnx_session_run(session, &right, 1, many, 3, &error), ERROR_CONFIG);
    assert_linear(session, weights, 2); /* it is none the worse */
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void texts_are_refused_when_they_are_asked_for(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = vector_model("Identity", NULL, WRITE_TEXT);
    struct onnx_session *session = open_session(runtime, &model);
    assert_int_equal(onnx_session_input(session, 0)->type, ONNX_OTHER);
    struct onnx_tensor in = vector("a", ONNX_U8, "abc", 3);
    assert_refused(session, &in, 1, "out",
                   "the model takes another type as input \"a\", and is given u8");
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void a_model_that_fails_on_a_record_says_why(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = vector_model("Add", "b", WRITE_F32);
    struct onnx_session *session = open_session(runtime, &model);
    struct onnx_tensor in[] = {vector("a", ONNX_F32, weights, 2),
                               vector("b", ONNX_F32, weights, 3)};
    struct onnx_tensor out = {.name = "out"};
    struct error error;
    assert_int_equal(onnx_session_run(session, in, 2, &out, 1, &error), ERROR_RECORD);
    assert_int_equal(strncmp(error.text, "ONNX Runtime: ", 14), 0);
    assert_non_null(strstr(error.text, "Add"));
    assert_null(strchr(error.text, '\n'));
    in[1] = vector("b", ONNX_F32, weights, 2);
    assert_int_equal(onnx_session_run(session, in, 2, &out, 1, &error), OK);
    assert_float_equal(((const float *)out.data)[1], 4, 0);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void too_much_memory_is_told_as_such(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__ /* its operator new ends the process where ours throws */
    skip();
#endif
    static const int64_t length = INT64_C(1) << 44;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes graph = {0};
    onnx_put_node(&graph, "ConstantOfShape", "a", NULL, "out", NULL);
    onnx_put_port(&graph, 11, "a", WRITE_I64, (const int64_t[]){1}, 1);
    onnx_put_port(&graph, 12, "out", WRITE_F32, any, 1);
    struct bytes model = onnx_model(&graph);
    struct onnx_session *session = open_session(runtime, &model);
    struct onnx_tensor in = vector("a", ONNX_I64, &length, 1), out = {.name = "out"};
    struct error error;
    assert_int_equal(onnx_session_run(session, &in, 1, &out, 1, &error), ERROR_MEMORY);
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void damaged_models_are_refused(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = NULL;
    struct error error;
    for (size_t size = 0; size < model.size; size++) {
        unsigned char *cut = malloc(size + 1); /* to the byte, for ASan */
        memcpy(cut, model.data, size);
        assert_int_equal(
            onnx_session_open_bytes(runtime, "cut", cut, size, &session, &error),
            ERROR_CONFIG);
        assert_int_equal(strncmp(error.text, "model \"cut\"", 11), 0);
        free(cut);
    }
    bytes_clear(&model);
    model = vector_model("NoSuchOperation", NULL, WRITE_F32);
    assert_int_equal(
        onnx_session_open_bytes(runtime, "new", model.data, model.size, &session, &error),
        ERROR_CONFIG);
    assert_non_null(strstr(error.text, "NoSuchOperation"));
    assert_null(session);
    bytes_clear(&model);
    onnx_runtime_close(runtime);
}

/* ---- files ---- */

static const char *put_file(const char *folder, const char *name, const void *data,
                            size_t size, char path[512])
{
    (void)snprintf(path, 512, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void files_that_are_no_models_are_told(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct onnx_session *session = NULL;
    struct error error;
    char folder[] = "/tmp/test_onnx.XXXXXX", path[512], text[600];
    assert_non_null(mkdtemp(folder));
    assert_int_equal(onnx_session_open(runtime, "/nowhere/m.onnx", &session, &error),
                     ERROR_IO);
    assert_string_equal(error.text, "cannot open model \"/nowhere/m.onnx\": No such file "
                                    "or directory");
    assert_int_equal(onnx_session_open(runtime, folder, &session, &error), ERROR_CONFIG);
    (void)snprintf(text, sizeof text, "model \"%s\" is not a file", folder);
    assert_string_equal(error.text, text);
    put_file(folder, "empty.onnx", "", 0, path);
    assert_int_equal(onnx_session_open(runtime, path, &session, &error), ERROR_CONFIG);
    (void)snprintf(text, sizeof text, "model \"%s\" is empty", path);
    assert_string_equal(error.text, text);
    assert_int_equal(unlink(path), 0);
    put_file(folder, "text.onnx", "hello, world\n", 13, path);
    assert_int_equal(onnx_session_open(runtime, path, &session, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "text.onnx"));
    assert_int_equal(onnx_model_compile(runtime, path, "/nowhere/x", &error),
                     ERROR_CONFIG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_null(session);
    onnx_runtime_close(runtime);
}

static void weights_beside_a_model_are_found(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes graph = {0};
    onnx_put_node(&graph, "Add", "a", "beside", "out", NULL);
    onnx_put_weights_beside(&graph, "beside", WRITE_F32, three, 1, "weights.bin");
    onnx_put_port(&graph, 11, "a", WRITE_F32, three, 1);
    onnx_put_port(&graph, 12, "out", WRITE_F32, three, 1);
    struct bytes model = onnx_model(&graph);
    struct onnx_session *session = NULL;
    struct error error;
    char folder[] = "/tmp/test_onnx.XXXXXX", path[512], data[512];
    assert_non_null(mkdtemp(folder));
    put_file(folder, "weights.bin", added, sizeof added, data);
    put_file(folder, "m.onnx", model.data, model.size, path);
    if (onnx_session_open(runtime, path, &session, &error) != OK)
        fail_msg("%s", error.text);
    struct onnx_tensor in = vector("a", ONNX_F32, weights, 3), out = {.name = "out"};
    assert_int_equal(onnx_session_run(session, &in, 1, &out, 1, &error), OK);
    assert_float_equal(((const float *)out.data)[2], 33, 0);
    onnx_session_close(session);
    session = NULL;
    assert_int_equal(unlink(data), 0);
    assert_int_equal(onnx_session_open(runtime, path, &session, &error), ERROR_CONFIG);
    assert_non_null(strstr(error.text, "weights.bin"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    bytes_clear(&model);
    onnx_runtime_close(runtime);
}

static void a_compiled_model_gives_the_same(void **state)
{
    (void)state;
    struct onnx_runtime *runtime = open_runtime();
    struct bytes model = linear_model();
    struct onnx_session *session = NULL;
    struct error error;
    char folder[] = "/tmp/test_onnx.XXXXXX", path[512], target[512];
    assert_non_null(mkdtemp(folder));
    put_file(folder, "m.onnx", model.data, model.size, path);
    (void)snprintf(target, sizeof target, "%s/prepared", folder);
    if (onnx_model_compile(runtime, path, target, &error) != OK ||
        onnx_session_open(runtime, target, &session, &error) != OK)
        fail_msg("%s", error.text);
    assert_linear(session, weights, 2);
    onnx_session_close(session);
    struct bytes compiled = load_file(target);
    assert_memory_equal(compiled.data + 4, "ORTM", 4);
    session = NULL;
    for (size_t size = 8; size < compiled.size; size += 64) {
        unsigned char *cut = malloc(size);
        memcpy(cut, compiled.data, size);
        assert_int_equal(
            onnx_session_open_bytes(runtime, "cut", cut, size, &session, &error),
            ERROR_CONFIG);
        free(cut);
    }
    assert_null(session);
    bytes_clear(&compiled);
    bytes_clear(&model);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(target), 0);
    assert_int_equal(rmdir(folder), 0);
    onnx_runtime_close(runtime);
}

/* ---- real models ---- */

struct expected {
    const char *name;
    size_t rank;
    int64_t shape[4];
};

/* Run the shared model on a batch of some image; its one input is (batch, 3, H, W). */
static void assert_outputs(const char *model, size_t batch,
                           const struct expected *expected, size_t count)
{
    struct onnx_tensor out[8];
    struct onnx_session *session;
    struct error error;
    char path[512];
    if (access(shared_path(path, model), R_OK) != 0) {
        print_message("%s is not there: set MILLRACE_SHARED\n", path);
        skip();
    }
    struct onnx_runtime *runtime = open_runtime();
    if (onnx_session_open(runtime, path, &session, &error) != OK)
        fail_msg("%s", error.text);
    const struct onnx_port *port = onnx_session_input(session, 0);
    struct onnx_tensor in = {.name = port->name, .type = ONNX_F32, .rank = 4};
    in.size = sizeof(float);
    for (size_t i = 0; i < 4; i++) {
        in.shape[i] = port->shape[i] < 0 ? (int64_t)batch : port->shape[i];
        in.size *= (size_t)in.shape[i];
    }
    float *data = malloc(in.size);
    assert_non_null(data);
    for (size_t i = 0; i < in.size / sizeof *data; i++)
        data[i] = (float)(i * 7919 % 256) / 128 - 1;
    in.data = data;
    for (size_t i = 0; i < count; i++)
        out[i].name = expected[i].name;
    if (onnx_session_run(session, &in, 1, out, count, &error) != OK)
        fail_msg("%s", error.text);
    free(data);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out[i].type, ONNX_F32);
        assert_int_equal(out[i].rank, expected[i].rank);
        assert_memory_equal(out[i].shape, expected[i].shape,
                            out[i].rank * sizeof *out[i].shape);
        const float *numbers = out[i].data;
        for (size_t k = 0; k < out[i].size / sizeof *numbers; k++)
            assert_true(numbers[k] > -1e6F && numbers[k] < 1e6F);
    }
    onnx_session_close(session);
    onnx_runtime_close(runtime);
}

static void nanodet_runs(void **state)
{
    (void)state;
    static const struct expected expected[] = {
        {"cls8", 3, {2, 2704, 80}}, {"cls16", 3, {2, 676, 80}},
        {"cls32", 3, {2, 169, 80}}, {"reg8", 3, {2, 2704, 44}},
        {"reg16", 3, {2, 676, 44}}, {"reg32", 3, {2, 169, 44}}};
    assert_outputs("models/nanodet-g-416-coco.onnx", 2, expected, 6);
}

static void ultraface_runs(void **state)
{
    (void)state;
    static const struct expected expected[] = {{"scores", 3, {1, 4420, 2}},
                                               {"boxes", 3, {1, 4420, 4}}};
    assert_outputs("models/ultraface-rfb320.onnx", 1, expected, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_that_is_not_there_is_told),
        cmocka_unit_test(another_library_is_refused),
        cmocka_unit_test(it_says_its_version_and_opens_again_and_again),
        cmocka_unit_test(it_starts_no_thread_and_keeps_no_file_open),
        cmocka_unit_test(a_batch_of_any_size_runs),
        cmocka_unit_test(a_batch_without_rows_gives_none),
        cmocka_unit_test(ports_are_described),
        cmocka_unit_test(outputs_come_in_the_order_asked_for_and_last_until_reset),
        cmocka_unit_test(numbers_of_each_type_go_through),
        cmocka_unit_test(several_inputs_may_come_in_any_order),
        cmocka_unit_test(inputs_that_do_not_fit_are_refused),
        cmocka_unit_test(texts_are_refused_when_they_are_asked_for),
        cmocka_unit_test(a_model_that_fails_on_a_record_says_why),
        cmocka_unit_test(too_much_memory_is_told_as_such),
        cmocka_unit_test(damaged_models_are_refused),
        cmocka_unit_test(files_that_are_no_models_are_told),
        cmocka_unit_test(weights_beside_a_model_are_found),
        cmocka_unit_test(a_compiled_model_gives_the_same),
        cmocka_unit_test(nanodet_runs),
        cmocka_unit_test(ultraface_runs),
    };
    return cmocka_run_group_tests(tests, open_onnx_library_first, NULL);
}
