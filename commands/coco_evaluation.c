/* coco_evaluation.c - how well boxes match the truth: COCO's twelve numbers */
#include "commands/coco_evaluation.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/bytes.h"

enum { TEN = 10, MASK_ALL = (1 << COCO_THRESHOLDS) - 1 };

const struct coco_stat_name coco_stat_names[COCO_STATS] = {
    {"ap", "AP", false, "0.50:0.95", "all", 100},
    {"ap50", "AP50", false, "0.50", "all", 100},
    {"ap75", "AP75", false, "0.75", "all", 100},
    {"ap_small", "APs", false, "0.50:0.95", "small", 100},
    {"ap_medium", "APm", false, "0.50:0.95", "medium", 100},
    {"ap_large", "APl", false, "0.50:0.95", "large", 100},
    {"ar_1", "AR1", true, "0.50:0.95", "all", 1},
    {"ar_10", "AR10", true, "0.50:0.95", "all", 10},
    {"ar_100", "AR100", true, "0.50:0.95", "all", 100},
    {"ar_small", "ARs", true, "0.50:0.95", "small", 100},
    {"ar_medium", "ARm", true, "0.50:0.95", "medium", 100},
    {"ar_large", "ARl", true, "0.50:0.95", "large", 100},
};

/* Params.setDetParams: both ends belong to a range. */
static const double area_ranges[COCO_AREAS][2] = {
    {0, 1e5 * 1e5}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e5 * 1e5}};

/* One of the detections of an image and category that count. */
struct match {
    double score;
    uint32_t order; /* by image, then by score: what decides among equal scores */
    uint16_t rank;  /* in its image and category */
    /* A bit a threshold: matched with a truth; neither right nor wrong. */
    uint16_t matched[COCO_AREAS], ignored[COCO_AREAS];
};

/* A truth that overlaps a detection enough to be matched with it at some threshold. */
struct candidate {
    uint32_t truth; /* in its group */
    double overlap;
};

struct ranked { /* a detection of a group */
    double score;
    uint32_t order, detection;
};

struct evaluation {
    const struct coco_problem *problem;
    double thresholds[COCO_THRESHOLDS], recalls[COCO_RECALLS];
    uint32_t *truths, *detections; /* their numbers, group by group; a group is what one
                                      image has of a category, in the order of the file */
    size_t truth_at, detection_at; /* where the next group begins */
    /* What the group at hand needs. All lists are owned and grow. */
    struct ranked *ranked;
    struct candidate *candidates; /* of the first detection, of the second, ... */
    size_t starts[COCO_DETECTIONS_MAX + 1];
    bool *is_ignored, *is_taken; /* a truth */
    size_t ranked_room, candidate_room, ignored_room, taken_room;
    /* What the category at hand has. */
    struct match *matches;
    size_t match_count, match_room;
    uint64_t truth_counts[COCO_AREAS]; /* that are not ignored */
    double *precisions;
    size_t precision_room;
};

/* ---- the order of work ---- */

typedef uint32_t (*key_of)(const struct coco_problem *problem, uint32_t index);

static uint32_t truth_image(const struct coco_problem *problem, uint32_t index)
{
    return problem->truths[index].image;
}

static uint32_t truth_category(const struct coco_problem *problem, uint32_t index)
{
    return problem->truths[index].category;
}

static uint32_t detection_image(const struct coco_problem *problem, uint32_t index)
{
    return problem->detections[index].image;
}

static uint32_t detection_category(const struct coco_problem *problem, uint32_t index)
{
    return problem->detections[index].category;
}

/* A stable counting sort of `in` to `out` by a key below key_count. */
static void sort_by(const struct coco_problem *problem, key_of key, uint32_t key_count,
                    uint32_t *starts, const uint32_t *in, uint32_t *out, size_t count)
{
    for (size_t i = 0; i <= key_count; i++)
        starts[i] = 0;
    for (size_t i = 0; i < count; i++)
        starts[key(problem, in[i]) + 1]++;
    for (size_t i = 0; i < key_count; i++)
        starts[i + 1] += starts[i];
    for (size_t i = 0; i < count; i++)
        out[starts[key(problem, in[i])]++] = in[i];
}

/* All numbers below count, by category and image; when class-agnostic by image and then
 * category, as computeIoU and evaluateImg join the lists of an image's categories. */
static uint32_t *order_groups(const struct coco_problem *problem, size_t count,
                              key_of image, key_of category, uint32_t *starts,
                              struct arena *arena)
{
    uint32_t *order = ARENA_RAW(arena, uint32_t, count + 1);
    uint32_t *other = ARENA_RAW(arena, uint32_t, count + 1);
    uint32_t images = problem->image_count, categories = problem->category_count;
    if (!order || !other)
        return NULL;
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    if (problem->is_class_agnostic) {
        sort_by(problem, category, categories, starts, order, other, count);
        sort_by(problem, image, images, starts, other, order, count);
    } else {
        sort_by(problem, image, images, starts, order, other, count);
        sort_by(problem, category, categories, starts, other, order, count);
    }
    return order;
}

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_matches(const void *left, const void *right)
{
    const struct match *a = left, *b = right;
    if (a->score > b->score || a->score < b->score)
        return a->score > b->score ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* ---- one image and category ---- */

struct group {
    const uint32_t *truths, *detections;
    uint32_t truth_count, detection_count;
};

/* maskApi.c:bbIou. With a crowd, the detection's area is what the overlap is a part of. */
static double find_overlap(const struct coco_box *detection,
                           const struct coco_truth *truth)
{
    const struct coco_box *d = detection, *g = &truth->box;
    double width = fmin(d->width + d->x, g->width + g->x) - fmax(d->x, g->x);
    if (width <= 0)
        return 0;
    double height = fmin(d->height + d->y, g->height + g->y) - fmax(d->y, g->y);
    if (height <= 0)
        return 0;
    double common = width * height, area = d->width * d->height;
    return common / (truth->is_crowd ? area : area + g->width * g->height - common);
}

/* Put the group's detections in order and drop all but the best; false: no memory. */
static bool rank_detections(struct evaluation *all, struct group *group)
{
    const struct coco_problem *problem = all->problem;
    struct ranked *ranked = array_grow(all->ranked, &all->ranked_room,
                                       group->detection_count, sizeof *ranked);
    if (!ranked)
        return false;
    all->ranked = ranked;
    for (uint32_t i = 0; i < group->detection_count; i++)
        ranked[i] =
            (struct ranked){.score = problem->detections[group->detections[i]].score,
                            .order = i,
                            .detection = group->detections[i]};
    qsort(ranked, group->detection_count, sizeof *ranked, compare_ranked);
    if (group->detection_count > COCO_DETECTIONS_MAX)
        group->detection_count = COCO_DETECTIONS_MAX;
    return true;
}

/* What overlaps less than the lowest threshold asks for is passed over in evaluateImg at
 * every threshold: only the rest is kept. There an overlap that is NaN (of areas too small
 * or too large for a double) is taken, and whatever follows it: then all are kept. */
static size_t keep_candidates(const struct evaluation *all, const struct group *group,
                              const struct coco_box *box, struct candidate *candidates)
{
    const struct coco_problem *problem = all->problem;
    size_t count = 0;
    bool is_any = false;
    for (uint32_t i = 0; i < group->truth_count; i++) {
        double overlap = find_overlap(box, &problem->truths[group->truths[i]]);
        if (isnan(overlap) && !is_any) {
            is_any = true;
            for (count = 0; count < i; count++)
                candidates[count] = (struct candidate){
                    (uint32_t)count,
                    find_overlap(box, &problem->truths[group->truths[count]])};
        }
        if (is_any || overlap >= all->thresholds[0])
            candidates[count++] = (struct candidate){i, overlap};
    }
    return count;
}

static bool find_candidates(struct evaluation *all, const struct group *group)
{
    size_t count = 0;
    for (uint32_t i = 0; i < group->detection_count; i++) {
        all->starts[i] = count;
        struct candidate *grown = array_grow(all->candidates, &all->candidate_room,
                                             count + group->truth_count, sizeof *grown);
        if (!grown)
            return false;
        all->candidates = grown;
        count += keep_candidates(all, group,
                                 &all->problem->detections[all->ranked[i].detection].box,
                                 grown + count);
    }
    all->starts[group->detection_count] = count;
    return true;
}

/* The best candidate of a detection among those that are (not) ignored and not taken, the
 * last of equals; NULL: none reaches *best, which becomes its overlap. */
static const struct candidate *find_best(const struct evaluation *all,
                                         const struct group *group, uint32_t detection,
                                         bool is_ignored, double *best)
{
    const struct candidate *found = NULL;
    for (size_t i = all->starts[detection]; i < all->starts[detection + 1]; i++) {
        const struct candidate *next = &all->candidates[i];
        uint32_t truth = next->truth;
        if (all->is_ignored[truth] != is_ignored)
            continue;
        if (all->is_taken[truth] && !all->problem->truths[group->truths[truth]].is_crowd)
            continue;
        if (next->overlap < *best)
            continue;
        *best = next->overlap;
        found = next;
    }
    return found;
}

/* evaluateImg for one area and threshold. There the truths are sorted with the ignored
 * ones last, and the search stops at them once another one is found. */
static void match_group(struct evaluation *all, const struct group *group, size_t area,
                        size_t threshold, struct match *matches)
{
    uint16_t bit = (uint16_t)(1U << threshold);
    for (uint32_t i = 0; i < group->truth_count; i++)
        all->is_taken[i] = false;
    for (uint32_t i = 0; i < group->detection_count; i++) {
        if (all->starts[i] == all->starts[i + 1])
            continue;
        double best = fmin(all->thresholds[threshold], 1 - 1e-10);
        const struct candidate *found = find_best(all, group, i, false, &best);
        if (!found)
            found = find_best(all, group, i, true, &best);
        if (!found)
            continue;
        all->is_taken[found->truth] = true;
        if (all->is_ignored[found->truth])
            matches[i].ignored[area] |= bit;
        if (!all->problem->truths[group->truths[found->truth]].has_zero_id)
            matches[i].matched[area] |= bit;
    }
}

static bool is_outside(double size, const double range[2])
{
    return size < range[0] || size > range[1];
}

static void match_area(struct evaluation *all, const struct group *group, size_t area,
                       struct match *matches)
{
    const struct coco_problem *problem = all->problem;
    const double *range = area_ranges[area];
    for (uint32_t i = 0; i < group->truth_count; i++) {
        const struct coco_truth *truth = &problem->truths[group->truths[i]];
        all->is_ignored[i] = truth->is_crowd || is_outside(truth->area, range);
        all->truth_counts[area] += !all->is_ignored[i];
    }
    if (all->starts[group->detection_count] > 0)
        for (size_t k = 0; k < COCO_THRESHOLDS; k++)
            match_group(all, group, area, k, matches);
    for (uint32_t i = 0; i < group->detection_count; i++) {
        const struct coco_box *box = &problem->detections[all->ranked[i].detection].box;
        if (is_outside(box->width * box->height, range))
            matches[i].ignored[area] |= (uint16_t)(MASK_ALL & ~matches[i].matched[area]);
    }
}

static bool evaluate_group(struct evaluation *all, struct group group)
{
    size_t count = all->match_count;
    if (!rank_detections(all, &group) || !find_candidates(all, &group))
        return false;
    struct match *matches = array_grow(all->matches, &all->match_room,
                                       count + group.detection_count, sizeof *matches);
    if (!matches)
        return false;
    all->matches = matches;
    bool *ignored = array_grow(all->is_ignored, &all->ignored_room, group.truth_count,
                               sizeof *ignored);
    if (!ignored)
        return false;
    all->is_ignored = ignored;
    bool *taken =
        array_grow(all->is_taken, &all->taken_room, group.truth_count, sizeof *taken);
    if (!taken)
        return false;
    all->is_taken = taken;
    for (uint32_t i = 0; i < group.detection_count; i++)
        matches[count + i] = (struct match){.score = all->ranked[i].score,
                                            .order = (uint32_t)(count + i),
                                            .rank = (uint16_t)i};
    for (size_t area = 0; area < COCO_AREAS; area++)
        match_area(all, &group, area, matches + count);
    all->match_count += group.detection_count;
    return true;
}

/* ---- one category ---- */

struct curve {
    double precision_sum; /* over the points of recall */
    double recall;        /* the most that is reached */
    double early[2];      /* the same with the first one and ten of each image */
};

/* accumulate for one area and threshold, over the category's sorted matches. There the
 * curves have a point a detection; precision rises only where one is right, so its largest
 * value from some point on is that of a right one, and points between those are left out. */
static struct curve draw_curve(const struct evaluation *all, size_t area,
                               size_t threshold)
{
    const double truths = (double)all->truth_counts[area];
    const uint16_t bit = (uint16_t)(1U << threshold);
    double *precisions = all->precisions;
    size_t right = 0, wrong = 0, first = 0, first_ten = 0;
    for (size_t i = 0; i < all->match_count; i++) {
        const struct match *match = &all->matches[i];
        if (match->ignored[area] & bit)
            continue;
        if (!(match->matched[area] & bit)) {
            wrong++;
            continue;
        }
        right++;
        first += match->rank < 1;
        first_ten += match->rank < TEN;
        precisions[right - 1] =
            (double)right / ((double)wrong + (double)right + DBL_EPSILON);
    }
    struct curve curve = {.recall = (double)right / truths,
                          .early = {(double)first / truths, (double)first_ten / truths}};
    for (size_t i = right; i > 1; i--)
        if (precisions[i - 1] > precisions[i - 2])
            precisions[i - 2] = precisions[i - 1];
    /* searchsorted(recall, point, 'left'): recall is 0 before the first right one */
    size_t reached = 0;
    for (size_t i = 0; i < COCO_RECALLS; i++) {
        while (reached <= right && (double)reached / truths < all->recalls[i])
            reached++;
        if (reached > right)
            break;
        if (right > 0)
            curve.precision_sum += precisions[reached > 0 ? reached - 1 : 0];
    }
    return curve;
}

static void score_category(struct evaluation *all, double stats[COCO_STATS])
{
    /* Where a curve's numbers belong, by area. */
    static const size_t precision_at[COCO_AREAS] = {0, 3, 4, 5};
    static const size_t recall_at[COCO_AREAS] = {8, 9, 10, 11};
    for (size_t i = 0; i < COCO_STATS; i++)
        stats[i] = -1;
    for (size_t area = 0; area < COCO_AREAS; area++) {
        struct curve sum = {0};
        if (all->truth_counts[area] == 0)
            continue;
        for (size_t k = 0; k < COCO_THRESHOLDS; k++) {
            struct curve curve = draw_curve(all, area, k);
            sum.precision_sum += curve.precision_sum;
            sum.recall += curve.recall;
            sum.early[0] += curve.early[0];
            sum.early[1] += curve.early[1];
            if (area == 0 && (k == 0 || k == 5)) /* .5, .75 */
                stats[k == 0 ? 1 : 2] = curve.precision_sum / COCO_RECALLS;
        }
        stats[precision_at[area]] = sum.precision_sum / (COCO_THRESHOLDS * COCO_RECALLS);
        stats[recall_at[area]] = sum.recall / COCO_THRESHOLDS;
        if (area == 0) {
            stats[6] = sum.early[0] / COCO_THRESHOLDS;
            stats[7] = sum.early[1] / COCO_THRESHOLDS;
        }
    }
}

/* The group that comes next in a category; false: there is none left. */
static bool next_group(struct evaluation *all, uint32_t category, struct group *group)
{
    const struct coco_problem *problem = all->problem;
    size_t truth = all->truth_at, detection = all->detection_at;
    bool is_any = problem->is_class_agnostic;
    uint32_t image = UINT32_MAX;
    const uint32_t *truths = all->truths, *detections = all->detections;
    if (truth < problem->truth_count &&
        (is_any || truth_category(problem, truths[truth]) == category))
        image = truth_image(problem, truths[truth]);
    if (detection < problem->detection_count &&
        (is_any || detection_category(problem, detections[detection]) == category) &&
        detection_image(problem, detections[detection]) < image)
        image = detection_image(problem, detections[detection]);
    if (image == UINT32_MAX)
        return false;
    while (truth < problem->truth_count && truth_image(problem, truths[truth]) == image &&
           (is_any || truth_category(problem, truths[truth]) == category))
        truth++;
    while (detection < problem->detection_count &&
           detection_image(problem, detections[detection]) == image &&
           (is_any || detection_category(problem, detections[detection]) == category))
        detection++;
    *group = (struct group){.truths = truths + all->truth_at,
                            .detections = detections + all->detection_at,
                            .truth_count = (uint32_t)(truth - all->truth_at),
                            .detection_count = (uint32_t)(detection - all->detection_at)};
    all->truth_at = truth;
    all->detection_at = detection;
    return true;
}

static bool evaluate_category(struct evaluation *all, uint32_t category,
                              struct coco_category_scores *scores)
{
    struct group group;
    size_t first = all->detection_at;
    all->match_count = 0;
    for (size_t i = 0; i < COCO_AREAS; i++)
        all->truth_counts[i] = 0;
    while (next_group(all, category, &group))
        if (!evaluate_group(all, group))
            return false;
    double *precisions = array_grow(all->precisions, &all->precision_room,
                                    all->match_count, sizeof *precisions);
    if (!precisions)
        return false;
    all->precisions = precisions;
    if (all->match_count > 1)
        qsort(all->matches, all->match_count, sizeof *all->matches, compare_matches);
    score_category(all, scores->stats);
    scores->truths = all->truth_counts[0];
    scores->detections = all->detection_at - first;
    return true;
}

/* ---- all of them ---- */

/* summarize: the mean over all categories that have truths. Within a category every
 * number is a mean over as many values, so the mean of means is the mean of all. */
static void summarize(struct coco_scores *scores)
{
    for (size_t i = 0; i < COCO_STATS; i++) {
        double sum = 0;
        uint32_t count = 0;
        for (uint32_t k = 0; k < scores->category_count; k++) {
            double value = scores->categories[k].stats[i];
            if (value > -1) {
                sum += value;
                count++;
            }
        }
        scores->stats[i] = count > 0 ? sum / count : -1;
    }
}

/* numpy.linspace(first, last, count) */
static void fill_steps(double *values, size_t count, double first, double last)
{
    double step = (last - first) / (double)(count - 1);
    for (size_t i = 0; i < count; i++)
        values[i] = (double)i * step + first;
    values[count - 1] = last;
}

static bool evaluation_init(struct evaluation *all, const struct coco_problem *problem,
                            struct arena *arena)
{
    uint32_t images = problem->image_count, categories = problem->category_count;
    size_t keys = images > categories ? images : categories;
    uint32_t *starts = ARENA_RAW(arena, uint32_t, keys + 1);
    all->problem = problem;
    fill_steps(all->thresholds, COCO_THRESHOLDS, 0.5, 0.95);
    fill_steps(all->recalls, COCO_RECALLS, 0, 1);
    if (!starts)
        return false;
    all->truths = order_groups(problem, problem->truth_count, truth_image, truth_category,
                               starts, arena);
    all->detections = order_groups(problem, problem->detection_count, detection_image,
                                   detection_category, starts, arena);
    return all->truths && all->detections;
}

static void evaluation_clear(struct evaluation *all)
{
    free(all->ranked);
    free(all->candidates);
    free(all->is_ignored);
    free(all->is_taken);
    free(all->matches);
    free(all->precisions);
}

enum error_code coco_evaluate(const struct coco_problem *problem, struct arena *arena,
                              struct coco_scores *scores, struct error *error)
{
    struct evaluation all = {0};
    if (problem->truth_count >= UINT32_MAX || problem->detection_count >= UINT32_MAX)
        return error_set(error, ERROR_CONFIG,
                         "more than %u annotations or results; divide them by class",
                         UINT32_MAX - 1);
    struct coco_scores found = {
        .category_count = problem->is_class_agnostic ? 1 : problem->category_count};
    found.categories =
        ARENA_NEW(arena, struct coco_category_scores, found.category_count);
    bool is_complete = found.categories && evaluation_init(&all, problem, arena);
    for (uint32_t i = 0; is_complete && i < found.category_count; i++)
        is_complete = evaluate_category(&all, i, &found.categories[i]);
    evaluation_clear(&all);
    if (!is_complete)
        return error_set(error, ERROR_MEMORY,
                         "no memory to compare %zu results with %zu "
                         "annotations",
                         problem->detection_count, problem->truth_count);
    summarize(&found);
    *scores = found;
    return OK;
}
