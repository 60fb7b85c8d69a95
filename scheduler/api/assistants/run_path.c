/* Paths of runs. */

#include "scheduler/api/assistants/run_path.h"

int run_path_read(struct request *request, bool any_thread, struct run_path *out)
{
    int r;

    *out = (struct run_path){.run_text = request->exchange->params[any_thread ? 0 : 1]};
    if (!any_thread) {
        r = request_id(request, 0, ID_THREAD, "thread", &out->thread);
        if (r < 0)
            return r;
    }
    return request_id(request, any_thread ? 0 : 1, ID_RUN, "run", &out->run);
}
