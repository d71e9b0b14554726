/* coco_report.h - the scores of a COCO evaluation, for people and for programs */
#ifndef COMMANDS_COCO_REPORT_H
#define COMMANDS_COCO_REPORT_H

#include <stdio.h>

#include "commands/coco_files.h"

struct bytes;

/* The summary in pycocotools' words, and a line a class, in 80 columns. */
void coco_report_table(FILE *file, const struct coco_data *data,
                       const struct coco_scores *scores);

/* {"stats": [...], "names": [...], ..., "classes": [{"id", "name", "ap", ...}, ...]} and a
 * newline. */
void coco_report_json(const struct coco_data *data, const struct coco_scores *scores,
                      bool is_class_agnostic, struct bytes *out);

/* What was left out or is odd, a line each. */
void coco_report_notes(FILE *file, const struct coco_data *data);

#endif
