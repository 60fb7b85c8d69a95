/* A service. A round takes a step of each kind; while one of them has more to do the next round
 * comes soon. What a store can't delete now is in the next round again. */

#include "scheduler/files/file_sweeper.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/blob/blob.h"
#include "shared/fiber/service.h"
#include "shared/store/files/uploads.h"
#include "shared/store/files/work_folders.h"

enum { PERIOD_MS = 5000, MORE_MS = 100 };

struct file_sweeper {
    struct pg *pg;
    struct blob_stores *blobs;
    struct service service;
    bool more;
    uint64_t deleted;
};

static int sweep(void *arg, struct error *err)
{
    struct file_sweeper *sweeper = arg;
    bool more_files = false;
    bool more_uploads = false;
    bool more_folders = false;
    size_t gone = 0;
    int r = files_expire(sweeper->pg, &more_files, err);

    sweeper->more = false;
    if (r == 0)
        r = uploads_expire(sweeper->pg, &more_uploads, err);
    if (r == 0)
        r = work_folders_sweep(sweeper->pg, &more_folders, err);
    if (r == 0)
        r = blob_sweep(sweeper->blobs, &gone, err);
    sweeper->deleted += gone;
    sweeper->more = r == 0 && (more_files || more_uploads || more_folders || gone > 0);
    return r;
}

static int64_t wait_ms(void *arg)
{
    const struct file_sweeper *sweeper = arg;

    return sweeper->more ? MORE_MS : service_spread_ms(PERIOD_MS);
}

struct file_sweeper *file_sweeper_start(struct pg *pg, struct blob_stores *blobs)
{
    struct file_sweeper *sweeper = xcalloc(1, sizeof(*sweeper));
    struct service_options options = {
        .name = "sweep of files",
        .round = sweep,
        .arg = sweeper,
        .wait_ms = wait_ms,
        .late = true,
        .trouble = "bytes of files that nobody wants can't be deleted now",
        .recovered = "bytes of files that nobody wants are deleted again",
    };

    sweeper->pg = pg;
    sweeper->blobs = blobs;
    service_start(&sweeper->service, &options);
    return sweeper;
}

void file_sweeper_stop(struct file_sweeper *sweeper)
{
    if (!sweeper)
        return;
    service_stop(&sweeper->service);
    free(sweeper);
}

static const struct metric rows[] = {
    METRIC_COUNTS(file_sweeper, METRIC_UINT64, deleted, "penstock_files_swept_total",
                  "Contents of files that nobody wanted any more, and that were deleted."),
    METRIC_COUNTS(file_sweeper, METRIC_UINT64, service.failures,
                  "penstock_files_sweep_failures_total", "Rounds of the sweep that failed."),
};

const struct metric_table file_sweeper_metrics = METRIC_TABLE(rows);

void file_sweeper_metrics_render(const struct file_sweeper *sweeper, struct buf *out)
{
    metric_table_render(&file_sweeper_metrics, sweeper, out);
}
