#!/usr/bin/env bash
# onnx_setup.sh - ONNX Runtime is fetched once and checked; its header says what ours says
. "$(dirname "$0")/../lib.sh"

# ---- the library: an npm that leaves a note of each call ----
name=libonnxruntime.so.1
member=$work/package/bin/napi-v6/linux/$([ "$(uname -m)" = aarch64 ] && echo arm64 || echo x64)
mkdir -p "$work/bin" "$member"
cat >"$work/bin/npm" <<END
#!/bin/sh
echo call >>"$work/npm-calls"
[ ! -e "$work/offline" ] || { echo 'network unreachable' >&2; exit 1; }
tar -czf fake.tgz -C "$work" package
END
chmod +x "$work/bin/npm"
library() { PATH=$work/bin:$PATH pipelines/prepare_onnxruntime "$work/data"; }

echo 'not the library' >"$member/$name"
check_exit 'a library of another checksum is refused' 1 library
check_match 'the message says what is wrong' "$work/err" 'wrong checksum.*sha256 [0-9a-f]{64}'
check_equal 'nothing of it is kept' "$(ls "$work/data")" ''
rm "$member/$name"
check_exit 'a package without it is refused' 1 library
check_match 'and said to be without it' "$work/err" 'does not hold bin/'
touch "$work/offline"
check_exit 'without a network the first fetch fails' 1 library
check_match 'and says so' "$work/err" 'is there a network'
check_equal 'nothing is left behind' "$(ls "$work/data")" ''

if [ -f "data/$name" ]; then
    rm "$work/offline"
    cp "data/$name" "$member/"
    check_exit 'the right one is taken' 0 library
    touch "$work/offline"
    calls=$(wc -l <"$work/npm-calls")
    check_exit 'and kept: no network is needed' 0 library
    check_equal 'npm is not called again' "$(wc -l <"$work/npm-calls")" "$calls"
else
    skip 'the right one is taken and kept' "no data/$name: pipelines/prepare_onnxruntime data"
fi

# ---- the header ----
header=
for folder in ${MILLRACE_ONNXRUNTIME_INCLUDE:+"$MILLRACE_ONNXRUNTIME_INCLUDE"} data \
    /usr/include/onnxruntime /usr/local/include/onnxruntime; do
    [ -n "$header" ] || [ ! -f "$folder/onnxruntime_c_api.h" ] || header=$folder
done
if [ -z "$header" ]; then
    skip 'places and types are those of the header' \
        'no onnxruntime_c_api.h: tests/tools/fetch_onnxruntime_header data'
    finish
    exit
fi

# Our words for its types, so that both headers speak of the same ones.
cat >"$work/abi.c" <<'END'
#include <stddef.h>
#include <onnxruntime_c_api.h>
#define ort_status OrtStatus
#define ort_env OrtEnv
#define ort_session_options OrtSessionOptions
#define ort_session OrtSession
#define ort_run_options OrtRunOptions
#define ort_value OrtValue
#define ort_memory_info OrtMemoryInfo
#define ort_type_info OrtTypeInfo
#define ort_tensor_info OrtTensorTypeAndShapeInfo
#define ort_allocator OrtAllocator
#include "stages/kernels/onnx_abi.h"

#define PLACE(ours, theirs) \
    static_assert(offsetof(struct ort_api, ours) == offsetof(OrtApi, theirs), #theirs " has another place")
/* The types are compatible: a pointer to the one is a pointer to the other. */
#define SAME(ours, theirs) \
    PLACE(ours, theirs); \
    static_assert(_Generic(&((struct ort_api *)0)->ours, __typeof__(&((OrtApi *)0)->theirs): 1, default: 0), \
                  #theirs " has another type")

SAME(get_error_code, GetErrorCode);
SAME(get_error_message, GetErrorMessage);
SAME(create_env, CreateEnvWithCustomLogger);
SAME(disable_telemetry, DisableTelemetryEvents);
SAME(create_session, CreateSessionFromArray);
SAME(run, Run);
SAME(create_options, CreateSessionOptions);
SAME(set_optimized_model_path, SetOptimizedModelFilePath);
SAME(set_execution_mode, SetSessionExecutionMode);
SAME(disable_memory_pattern, DisableMemPattern);
SAME(set_optimization_level, SetSessionGraphOptimizationLevel);
SAME(set_threads_inside, SetIntraOpNumThreads);
SAME(set_threads_across, SetInterOpNumThreads);
SAME(get_input_count, SessionGetInputCount);
SAME(get_output_count, SessionGetOutputCount);
SAME(get_input_type, SessionGetInputTypeInfo);
SAME(get_output_type, SessionGetOutputTypeInfo);
SAME(get_input_name, SessionGetInputName);
SAME(get_output_name, SessionGetOutputName);
PLACE(create_tensor, CreateTensorWithDataAsOrtValue); /* `data` is const with us */
SAME(is_tensor, IsTensor);
SAME(get_tensor_data, GetTensorMutableData);
SAME(get_tensor_type, CastTypeInfoToTensorInfo);
SAME(get_element_type, GetTensorElementType);
SAME(get_rank, GetDimensionsCount);
SAME(get_shape, GetDimensions);
SAME(get_value_type, GetTensorTypeAndShape);
SAME(create_memory_info, CreateCpuMemoryInfo);
SAME(allocator_free, AllocatorFree);
SAME(get_allocator, GetAllocatorWithDefaultOptions);
SAME(release_env, ReleaseEnv);
SAME(release_status, ReleaseStatus);
SAME(release_memory_info, ReleaseMemoryInfo);
SAME(release_session, ReleaseSession);
SAME(release_value, ReleaseValue);
SAME(release_type_info, ReleaseTypeInfo);
SAME(release_tensor_info, ReleaseTensorTypeAndShapeInfo);
SAME(release_options, ReleaseSessionOptions);
SAME(add_config, AddSessionConfigEntry);
SAME(get_build_info, GetBuildInfoString);
SAME(set_deterministic, SetDeterministicCompute);
static_assert(offsetof(struct ort_api_base, get_api) == offsetof(OrtApiBase, GetApi), "");
static_assert(offsetof(struct ort_api_base, get_version) == offsetof(OrtApiBase, GetVersionString), "");
static_assert((int)ORT_SEQUENTIAL_EXECUTION == (int)ORT_SEQUENTIAL, "");
static_assert((int)ORT_ALL_OPTIMIZATIONS == (int)ORT_ENABLE_ALL, "");
static_assert((int)ORT_SEVERITY_WARNING == (int)ORT_LOGGING_LEVEL_WARNING, "");
static_assert((int)ORT_DEVICE_ALLOCATOR == (int)OrtDeviceAllocator, "");
static_assert((int)ORT_DEFAULT_MEMORY == (int)OrtMemTypeDefault, "");
static_assert(ORT_API_WANTED <= ORT_API_VERSION, "");
END
compile() { "${CC:-gcc}" -std=gnu11 -fsyntax-only -I"$ROOT" -I"$header" "$work/$1"; }
check "places and types are those of $header" compile abi.c
sed 's/(get_rank, GetDimensionsCount)/(get_rank, GetDimensions)/' "$work/abi.c" >"$work/wrong.c"
check_exit 'one that is not is seen' 1 compile wrong.c
finish
