#!/usr/bin/env bash
# pipelines.sh - every file in pipelines/ runs as it stands, on a small corpus
. "$(dirname "$0")/../lib.sh"

# The files name their data as ../data/...: a tree of that shape is laid out for them.
mkdir -p "$work/data/corpus" "$work/pipelines"
cp pipelines/*.names "$work/pipelines/"
write_corpus "$work/data/corpus/some.jsonl" 500
write_byte_vocabulary "$work/data/cl100k_base.tiktoken"

# Photos and their detector are not made here: those of a `make run-images`, or shared ones.
for folder in "$ROOT/data" "$MILLRACE_SHARED/models"; do
    [ ! -f "$folder/fr_detect.onnx" ] || detector=$folder/fr_detect.onnx
    [ ! -f "$folder/ultraface-rfb320.onnx" ] || detector=$folder/ultraface-rfb320.onnx
done
for photo in "$ROOT"/data/photos/*.jpg "$MILLRACE_SHARED"/images/faces/2*.jpg; do
    mkdir -p "$work/data/photos"
    [ ! -f "$photo" ] || ln -sf "$photo" "$work/data/photos/"
done
photos=$(find "$work/data/photos" -name '*.jpg' | wc -l)

for file in pipelines/*.yaml; do
    name=$(basename "$file")
    cp "$file" "$work/pipelines/"
    job=$work/${name%.yaml}.job
    if [ "$name" = annotate-photos.yaml ]; then
        if [ -z "${detector:-}" ] || [ "$photos" -eq 0 ] || [ -z "$(onnx_library)" ]; then
            skip "$name" 'no detector, photos or ONNX Runtime here: make run-images'
            continue
        fi
        ln -sf "$detector" "$work/data/fr_detect.onnx"
        read=$photos
    else
        read=500
    fi
    check "$name is found right" millrace check "$work/pipelines/$name"
    check "$name runs" millrace run "$work/pipelines/$name" --job "$job" --quiet
    check "$name is verified" millrace verify "$job"
    check_match "$name emits every record" "$job/status.json" '"records":{"read":'"$read"',"emitted":'"$read"','
    check "$name shows records" test "$(millrace show "$job" | wc -l)" -ge $((read / 10))
    check_match "$name is named by its file" "$file" "^name: ${name%.yaml}\$"
done
finish
