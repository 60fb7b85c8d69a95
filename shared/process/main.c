/* penstock-spawn: the helper process of a worker (spawn_helper.h). People do not start it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/process/spawn_helper.h"

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return spawn_helper_serve(atoi(argv[2]), atoi(argv[3]));
    (void)fprintf(stderr, "penstock-spawn is started by penstock-worker, and by nobody else.\n");
    return 2;
}
