/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any cron line is refused or fires later than any moment, on a whole minute, and is written so that it fires the same again. */
#include "fuzz.h"

#include "model/cron.h"

static const char *const zones[] = {"UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct problems problems = {0};
    json_t *value = json_pack("{s:s,s:s}", "cron", text, "timezone", zones[size % 4]);
    struct cron *c = value ? cron_read(value, "", NULL, &problems) : NULL;
    must(!value || (c != NULL) == (problems.n == 0));
    if (c) {
        json_t *json = cron_json(c);
        struct cron *again = cron_read(json, "", NULL, &problems);
        must(again != NULL);
        int64_t at = INT64_C(1774742400000); /* shortly before clocks change in Berlin */
        for (int i = 0; i < 5; i++) {
            int64_t next = cron_next(c, at);
            must(next > at && (next == INT64_MAX || next % 60000 == 0) && next == cron_next(again, at));
            at = next == INT64_MAX ? at : next;
        }
        cron_free(again);
        json_decref(json);
    }
    cron_free(c);
    json_decref(value);
    problems_release(&problems);
    return 0;
}
