/* SPDX-License-Identifier: GPL-3.0-or-later */
/* spec.metricsCollectorSpec: where results are read, and how. */
#include "model/katib_part.h"

#include "base/mem.h"

#include <string.h>

#define DEFAULT_PATH "/var/log/katib/metrics.log"
#define MAX_FILTERS 16
/* Katib's own; the second one takes what it loses: NaN and infinities are results too */
#define DEFAULT_FILTER "([\\w|-]+)\\s*=\\s*([+-]?\\d*(\\.\\d+)?([Ee][+-]?\\d+)?)"
#define NAN_FILTER "([\\w|-]+)\\s*=\\s*([+-]?(?i:nan|inf(?:inity)?))\\b"

static const char *const members[] = {"source", "collector", NULL};
static const char *const source_members[] = {"httpGet", "fileSystemPath", "filter", NULL};
static const char *const path_members[] = {"path", "kind", "format", NULL};
static const char *const filter_members[] = {"metricsFormat", NULL};
static const char *const collector_members[] = {"kind", "customCollector", NULL};
static const char *const kinds[] = {"StdOut", "File", "TensorFlowEvent", "PrometheusMetric", "Custom", "Push", NULL};
enum kind { KIND_STDOUT, KIND_FILE, KIND_TENSORFLOW, KIND_PROMETHEUS, KIND_CUSTOM, KIND_PUSH };

static int read_kind(const struct reader *r)
{
    struct reader collector = reader_enter(r, "collector", collector_members);
    const json_t *kind = reader_find(&collector, "kind");
    int found = KIND_STDOUT;
    if (collector.object && (!kind || !strcmp(json_is_string(kind) ? json_string_value(kind) : "", "None")))
        reader_bad(&collector, "kind", "CHOICE", kind ? "Push" : NULL, "is %s, must be one of StdOut, File, TensorFlowEvent, PrometheusMetric, Custom, Push",
                   kind ? "None, which Katib has no more" : "missing");
    else
        found = reader_choice(&collector, "kind", kinds, KIND_STDOUT);
    if (found == KIND_CUSTOM && !reader_find(&collector, "customCollector"))
        reader_bad(&collector, "customCollector", "REQUIRED", NULL, "is missing; kind Custom needs the container that collects");
    else if (found == KIND_CUSTOM)
        reader_bad(&collector, "kind", "NEEDS_CLUSTER", NULL,
                   "is Custom, a container beside the trial's: " KATIB_NEEDS_CLUSTER ". Print results as name=value (StdOut), or send them with hone report (Push)");
    else if (found == KIND_PROMETHEUS)
        reader_bad(&collector, "kind", "UNSUPPORTED", NULL, "is PrometheusMetric, which Katib names but never had; print results as name=value (StdOut)");
    else if (found == KIND_TENSORFLOW)
        reader_bad(&collector, "kind", "UNSUPPORTED", NULL, "is TensorFlowEvent, and event files are not read yet; print results as name=value (StdOut)");
    reader_close(&collector);
    return found;
}

/* Katib looks at expressions for kind File alone; StdOut's then fail when a trial runs. Ours can do more than RE2, so StdOut keeps what is only RE2's limit. */
static json_t *read_filters(struct katib *k, const struct reader *source, enum kind kind)
{
    struct reader r = reader_enter(source, "filter", filter_members);
    const json_t *list = reader_list(&r, "metricsFormat", MAX_FILTERS);
    json_t *out = json_array(), *item;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        const char *regex = json_string_value(item), *wrong = regex ? katib_regex_wrong(regex) : "is no string";
        bool limit = wrong && strstr(wrong, "RE2") && kind == KIND_STDOUT;
        if (wrong && !limit)
            reader_bad(&r, "metricsFormat", "SYNTAX", NULL, "number %zu %s", i + 1, wrong);
        else
            (void)json_array_append(out, item);
    }
    katib_map(k, "/run/metrics/filters", "/spec/metricsCollectorSpec/source/filter/metricsFormat/");
    reader_close(&r);
    if (json_array_size(list))
        return out;
    json_decref(out);
    return json_pack("[s, s]", DEFAULT_FILTER, NAN_FILTER);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : "metrics.log";
}

static void read_file(struct katib *k, const struct reader *source, struct katib_metrics *m)
{
    static const char *const path_kinds[] = {"File", NULL}, *const formats[] = {"TEXT", "JSON", NULL};
    struct reader r = reader_enter(source, "fileSystemPath", path_members);
    const char *path = reader_text(&r, "path", KATIB_MAX_TEXT, DEFAULT_PATH);
    (void)reader_choice(&r, "kind", path_kinds, 0);
    bool json = reader_choice(&r, "format", formats, 0) == 1;
    if (*path != '/')
        reader_bad(&r, "path", "RANGE", NULL, "is %.200s, must be absolute", path);
    if (json && reader_find(source, "filter"))
        reader_bad(source, "filter", "CONFLICT", NULL, "is for format TEXT, here it is JSON");
    m->path = path;
    m->config = json_pack("{s:s, s:s, s:s}", "from", "file", "path", base_name(path), "format", json ? "json" : "text");
    if (!json)
        (void)json_object_set_new(m->config, "filters", read_filters(k, source, KIND_FILE));
    reader_close(&r);
}

/* Told before the kind itself: with it there, one mends the file once. */
static void read_directory(const struct reader *source)
{
    static const char *const path_kinds[] = {"Directory", NULL};
    struct reader r = reader_enter(source, "fileSystemPath", path_members);
    (void)reader_choice(&r, "kind", path_kinds, 0);
    if (reader_find(&r, "format"))
        reader_bad(&r, "format", "UNUSED", NULL, "must be left out for kind TensorFlowEvent");
    reader_close(&r);
}

struct katib_metrics katib_collector(struct katib *k)
{
    struct reader r = reader_enter(&k->spec, "metricsCollectorSpec", members), source = reader_enter(&r, "source", source_members);
    struct katib_metrics m = {0};
    const char *wanted = json_string_value(json_object_get(reader_find(&r, "collector"), "kind"));
    if (wanted && !strcmp(wanted, kinds[KIND_TENSORFLOW]))
        read_directory(&source);
    int kind = read_kind(&r);
    katib_map(k, "/run/metrics", "/spec/metricsCollectorSpec");
    m.shell = kind <= KIND_TENSORFLOW;
    m.merges = kind == KIND_STDOUT;
    if (kind == KIND_FILE) {
        read_file(k, &source, &m);
    } else if (kind == KIND_STDOUT) {
        m.config = json_pack("{s:s, s:s, s:o}", "from", "stdout", "format", "text", "filters", read_filters(k, &source, KIND_STDOUT));
    } else if (kind == KIND_PUSH) {
        katib_warn(&r, "collector", "is Push: send results with hone report, or over HTTP (HONE_URL); report_metrics of the kubeflow-katib package runs in a cluster only");
    }
    if (!m.config)
        m.config = json_pack("{s:s}", "from", "stdout");
    reader_close(&source);
    reader_close(&r);
    return m;
}
