/* Room for runs of megabytes. */

#include "scheduler/api/assistants/run_room.h"

#include "shared/store/runs/runs.h"

#define COPIES 3 /* as the database has it, as a row, as JSON */

int run_make_room(struct request *request, struct uuid thread, struct uuid run)
{
    struct error err;
    size_t bytes;
    int r = runs_size(&request->store, thread, run, &bytes, &err);

    if (r < 0)
        return request_failed(request, &err);
    if (r == 0 && bytes > SMALL_BYTES_MAX)
        r = request_enlarge(request, COPIES * bytes);
    return r;
}
