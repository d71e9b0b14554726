/* onnx_abi.h - the part of ONNX Runtime's C interface that millrace calls
 *
 * The library hands out a table of functions in which a place, once given, is never given
 * to another: newer ones are put at the end. What is written here are those places and
 * what stands in them, so that a build needs neither the library nor its header, and one
 * executable goes with any version from ORT_API_WANTED on. tests/system/onnx_setup.sh holds
 * places and types to the header itself. For onnx_runtime.c and onnx_session.c alone. */
#ifndef STAGES_KERNELS_ONNX_ABI_H
#define STAGES_KERNELS_ONNX_ABI_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ORT_API_WANTED = 21 }; /* before 1.21, some models with weights beside them fail */

enum {
    ORT_SEQUENTIAL_EXECUTION = 0,
    ORT_ALL_OPTIMIZATIONS = 99,
    ORT_SEVERITY_WARNING = 2,
    ORT_DEVICE_ALLOCATOR = 0,
    ORT_DEFAULT_MEMORY = 0
};

struct ort_status; /* NULL: it went well */
struct ort_env;
struct ort_session;
struct ort_session_options;
struct ort_run_options;
struct ort_value;
struct ort_memory_info;
struct ort_type_info;
struct ort_tensor_info;
struct ort_allocator;

typedef void (*ort_log_function)(void *user, unsigned severity, const char *category,
                                 const char *id, const char *place, const char *message);
typedef void (*ort_place)(void); /* a function that is not called from here */

struct ort_api { /* behind each group the number of its last place */
    ort_place places_0[1];
    unsigned (*get_error_code)(const struct ort_status *status);
    const char *(*get_error_message)(const struct ort_status *status);
    ort_place places_3[1];
    struct ort_status *(*create_env)(ort_log_function log, void *user, unsigned severity,
                                     const char *id, struct ort_env **env); /* 4 */
    ort_place places_5[1];
    struct ort_status *(*disable_telemetry)(const struct ort_env *env); /* 6 */
    ort_place places_7[1];
    struct ort_status *(*create_session)(const struct ort_env *env, const void *model,
                                         size_t size,
                                         const struct ort_session_options *options,
                                         struct ort_session **session);
    struct ort_status *(*run)(struct ort_session *session,
                              const struct ort_run_options *options,
                              const char *const *input_names,
                              const struct ort_value *const *inputs, size_t input_count,
                              const char *const *output_names, size_t output_count,
                              struct ort_value **outputs);
    struct ort_status *(*create_options)(struct ort_session_options **options);
    struct ort_status *(*set_optimized_model_path)(struct ort_session_options *options,
                                                   const char *path); /* 11 */
    ort_place places_12[1];
    struct ort_status *(*set_execution_mode)(struct ort_session_options *options,
                                             unsigned mode); /* 13 */
    ort_place places_14[3];
    struct ort_status *(*disable_memory_pattern)(struct ort_session_options *); /* 17 */
    ort_place places_18[5];
    struct ort_status *(*set_optimization_level)(struct ort_session_options *options,
                                                 unsigned level);
    struct ort_status *(*set_threads_inside)(struct ort_session_options *, int count);
    struct ort_status *(*set_threads_across)(struct ort_session_options *, int count);
    ort_place places_26[4];
    struct ort_status *(*get_input_count)(const struct ort_session *, size_t *count);
    struct ort_status *(*get_output_count)(const struct ort_session *, size_t *count);
    ort_place places_32[1];
    struct ort_status *(*get_input_type)(const struct ort_session *session, size_t index,
                                         struct ort_type_info **type);
    struct ort_status *(*get_output_type)(const struct ort_session *session, size_t index,
                                          struct ort_type_info **type); /* 34 */
    ort_place places_35[1];
    struct ort_status *(*get_input_name)(const struct ort_session *session, size_t index,
                                         struct ort_allocator *allocator, char **name);
    struct ort_status *(*get_output_name)(const struct ort_session *session, size_t index,
                                          struct ort_allocator *allocator, char **name);
    ort_place places_38[11];
    /* The header has `data` not const, as it serves outputs too; run() reads inputs. */
    struct ort_status *(*create_tensor)(const struct ort_memory_info *info,
                                        const void *data, size_t size,
                                        const int64_t *shape, size_t rank, unsigned type,
                                        struct ort_value **value);
    struct ort_status *(*is_tensor)(const struct ort_value *value, int *is_tensor);
    struct ort_status *(*get_tensor_data)(struct ort_value *value, void **data); /* 51 */
    ort_place places_52[3];
    struct ort_status *(*get_tensor_type)(const struct ort_type_info *type,
                                          const struct ort_tensor_info **info);
    ort_place places_56[4];
    struct ort_status *(*get_element_type)(const struct ort_tensor_info *, unsigned *);
    struct ort_status *(*get_rank)(const struct ort_tensor_info *info, size_t *rank);
    struct ort_status *(*get_shape)(const struct ort_tensor_info *info, int64_t *shape,
                                    size_t rank); /* 62 */
    ort_place places_63[2];
    struct ort_status *(*get_value_type)(const struct ort_value *value,
                                         struct ort_tensor_info **info); /* 65 */
    ort_place places_66[3];
    struct ort_status *(*create_memory_info)(int allocator, int memory,
                                             struct ort_memory_info **info); /* 69 */
    ort_place places_70[6];
    struct ort_status *(*allocator_free)(struct ort_allocator *allocator, void *memory);
    ort_place places_77[1];
    struct ort_status *(*get_allocator)(struct ort_allocator **allocator); /* 78 */
    ort_place places_79[13];
    void (*release_env)(struct ort_env *env);
    void (*release_status)(struct ort_status *status);
    void (*release_memory_info)(struct ort_memory_info *info);
    void (*release_session)(struct ort_session *session);
    void (*release_value)(struct ort_value *value); /* 96 */
    ort_place places_97[1];
    void (*release_type_info)(struct ort_type_info *type);
    void (*release_tensor_info)(struct ort_tensor_info *info);
    void (*release_options)(struct ort_session_options *options); /* 100 */
    ort_place places_101[29];
    struct ort_status *(*add_config)(struct ort_session_options *options, const char *key,
                                     const char *value); /* 130 */
    ort_place places_131[123];
    const char *(*get_build_info)(void); /* 254 */
    ort_place places_255[18];
    struct ort_status *(*set_deterministic)(struct ort_session_options *, bool); /* 273 */
};
static_assert(offsetof(struct ort_api, set_deterministic) == 273 * sizeof(ort_place),
              "the places add up");

struct ort_api_base {
    const struct ort_api *(*get_api)(uint32_t version); /* NULL: not that version */
    const char *(*get_version)(void);
};
typedef const struct ort_api_base *(*ort_get_api_base)(void);

#endif
