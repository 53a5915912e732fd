/* Stands in for NVIDIA's libnvidia-ml.so.1 at its C interface (nvml.h): what the real nvidia-ml-py calls, answered as a
 * script says. The script is the text file that FAKE_NVML names; tests/fakes/nvml/__init__.py documents it.
 *
 * With -DOLD_DRIVER, entry points are missing that drivers before 520 did not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, TIMEOUT = 10, GPU_IS_LOST = 15, NO_DATA = 21,
  MAX_LINES = 256, MAX_GPUS = 8, MAX_COUNTERS = 32
};
typedef struct { char words[4][64]; char values[1100]; } line_t;
typedef struct { int index; int lost; } gpu_t;
typedef struct { char name[64]; int gpu; int calls; } counter_t;
typedef struct { double at; int gpu; } gpm_sample_t;

static line_t lines[MAX_LINES];
static int line_count, polls;
static gpu_t gpus[MAX_GPUS];
static counter_t counters[MAX_GPUS * MAX_COUNTERS];
static int counter_count;
static double start;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* `gpu 0 energy 1 2 3` -> words gpu, 0, energy; values "1 2 3". Other lines: the first word, and the rest as values. */
static void load(void) {
  const char *path = getenv("FAKE_NVML");
  FILE *file = path ? fopen(path, "r") : NULL;
  char text[1100];
  line_count = 0;
  while (file && line_count < MAX_LINES && fgets(text, sizeof text, file)) {
    line_t *line = &lines[line_count];
    int keys = strncmp(text, "gpu ", 4) == 0 ? 3 : 1, n = 0;
    char *at = text;
    memset(line, 0, sizeof *line);
    at[strcspn(at, "\n")] = 0;
    while (n < keys && *at) {
      size_t length = strcspn(at, " ");
      snprintf(line->words[n++], sizeof line->words[0], "%.*s", (int)length, at);
      at += length + (at[length] == ' ');
    }
    snprintf(line->values, sizeof line->values, "%s", at);
    line_count += n > 0;
  }
  if (file) fclose(file);
}

static const char *global(const char *name) {
  for (int i = 0; i < line_count; i++)
    if (strcmp(lines[i].words[0], name) == 0) return lines[i].values;
  return NULL;
}

static const char *of_gpu(int gpu, const char *name) {
  char index[16];
  snprintf(index, sizeof index, "%d", gpu);
  for (int i = 0; i < line_count; i++)
    if (strcmp(lines[i].words[0], "gpu") == 0 && strcmp(lines[i].words[1], index) == 0 &&
        strcmp(lines[i].words[2], name) == 0)
      return lines[i].values;
  return NULL;
}

static int call_number(int gpu, const char *name) {
  for (int i = 0; i < counter_count; i++)
    if (counters[i].gpu == gpu && strcmp(counters[i].name, name) == 0) return counters[i].calls++;
  counters[counter_count].gpu = gpu;
  snprintf(counters[counter_count].name, sizeof counters[0].name, "%s", name);
  counters[counter_count].calls = 1;
  counter_count++;
  return 0;
}

/* The value of this call, or an error code. A counter that the script does not name is not supported. */
static int next(void *device, const char *name, double *value) {
  gpu_t *gpu = device;
  const char *values = of_gpu(gpu->index, name), *lost = of_gpu(gpu->index, "lost_after");
  int call = call_number(gpu->index, name);
  if (gpu->lost || (lost && call >= atoi(lost))) {
    gpu->lost = 1;
    return GPU_IS_LOST;
  }
  if (!values) return NOT_SUPPORTED;
  char token[64] = "!3";
  for (int i = 0, length; i <= call && sscanf(values, " %63s%n", token, &length) == 1; i++) values += length;
  if (strcmp(token, "crash") == 0) abort();
  if (token[0] == '!') return atoi(token + 1);
  double rate, from;
  if (sscanf(token, "@%lf+%lf", &rate, &from) == 2) *value = from + rate * (now() - start);
  else *value = atof(token);
  return OK;
}

static int next_unsigned(void *device, const char *name, unsigned *to) {
  double value;
  int code = next(device, name, &value);
  if (code == OK) *to = (unsigned)value;
  return code;
}

int nvmlInitWithFlags(unsigned flags) {
  load();
  start = now();
  if (global("init_s")) usleep((useconds_t)(atof(global("init_s")) * 1e6));
  return global("init") ? atoi(global("init")) : OK;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == NO_DATA ? "No data" : "another error"; }
int nvmlSystemGetDriverVersion(char *to, unsigned size) {
  snprintf(to, size, "%s", global("driver") ? global("driver") : "580.95.05");
  return OK;
}
int nvmlDeviceGetCount_v2(unsigned *count) {
  *count = global("gpus") ? atoi(global("gpus")) : 1;
  return OK;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
  const char *code = of_gpu(index, "handle");
  if (code) return atoi(code + 1);
  gpus[index].index = index;
  *device = &gpus[index];
  return OK;
}
int nvmlDeviceGetName(void *device, char *to, unsigned size) {
  const char *name = of_gpu(((gpu_t *)device)->index, "name");
  snprintf(to, size, "%s", name ? name : "NVIDIA Test");
  return OK;
}
int nvmlDeviceGetUUID(void *device, char *to, unsigned size) {
  snprintf(to, size, "GPU-0000000%d", ((gpu_t *)device)->index);
  return OK;
}
int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *memory) {
  double used;
  int code = next(device, "memory_used", &used);
  if (code != OK) return code;
  memory[0] = 80ULL << 30;
  memory[2] = (unsigned long long)used;
  memory[1] = memory[0] - memory[2];
  return OK;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *mw) { return next_unsigned(device, "power_mw", mw); }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *mj) {
  double value;
  int code = next(device, "energy_mj", &value);
  if (code == OK) *mj = (unsigned long long)value;
  return code;
}
int nvmlDeviceGetUtilizationRates(void *device, unsigned *rates) {
  rates[1] = 7;
  return next_unsigned(device, "utilization", &rates[0]);
}
int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *mhz) {
  return next_unsigned(device, kind == 1 ? "sm_clock" : kind == 2 ? "memory_clock" : "wrong", mhz);
}
int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
  return next_unsigned(device, sensor == 0 ? "temperature" : "wrong", celsius);
}
static int reasons(void *device, unsigned long long *bits) {
  double value;
  int code = next(device, "clock_events", &value);
  if (code == OK) *bits = (unsigned long long)value;
  return code;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *bits) { return reasons(device, bits); }

/* Events: `xid 2 1 79` is XID 79 of GPU 1, to be had from the second time that somebody looks. */
typedef struct { void *device; unsigned long long type, data; unsigned gpu_instance, compute_instance; } event_t;
static int registered[MAX_GPUS], given;
int nvmlEventSetCreate(void **set) {
  *set = &given;
  return OK;
}
int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set) {
  const char *code = of_gpu(((gpu_t *)device)->index, "events");
  if (code) return atoi(code + 1);
  if (types != 8 || set != &given) return INVALID_ARGUMENT;
  registered[((gpu_t *)device)->index] = 1;
  return OK;
}
int nvmlEventSetWait_v2(void *set, event_t *event, unsigned timeout_ms) {
  int seen = 0;
  if (timeout_ms != 0) return INVALID_ARGUMENT; /* it would hold up the samples */
  for (int i = 0; i < line_count; i++) {
    int poll, gpu, code;
    if (strcmp(lines[i].words[0], "xid") != 0 || sscanf(lines[i].values, "%d %d %d", &poll, &gpu, &code) != 3) continue;
    if (seen++ < given || poll > polls + 1 || !registered[gpu]) continue;
    given++;
    memset(event, 0, sizeof *event);
    event->device = &gpus[gpu];
    event->type = 8;
    event->data = code;
    return OK;
  }
  polls++;
  return TIMEOUT;
}
int nvmlEventSetFree(void *set) { return OK; }

#ifndef OLD_DRIVER
int nvmlDeviceGetCurrentClocksEventReasons(void *device, unsigned long long *bits) { return reasons(device, bits); }

typedef struct {
  unsigned field, scope;
  long long timestamp, latency;
  int type, code;
  union { double d; unsigned u; unsigned long long ull; } value;
} field_t;
int nvmlDeviceGetFieldValues(void *device, int count, field_t *fields) {
  if (((gpu_t *)device)->lost) return GPU_IS_LOST;
  const char *code = of_gpu(((gpu_t *)device)->index, "fields");
  if (code) return atoi(code + 1);
  for (int i = 0; i < count; i++) {
    double value = 0;
    unsigned number = fields[i].field;
    fields[i].code = number == 186  ? next(device, "instant_power_mw", &value)
                     : number == 82 ? next(device, "memory_temperature", &value)
                     : number == 3  ? next(device, "ecc_corrected", &value)
                     : number == 4  ? next(device, "ecc_uncorrected", &value)
                                    : INVALID_ARGUMENT;
    fields[i].type = number == 186 || number == 82 ? 1 : 3; /* unsigned int, unsigned long long */
    if (fields[i].type == 1) fields[i].value.u = (unsigned)value;
    else fields[i].value.ull = (unsigned long long)value;
  }
  return OK;
}

/* GPM: a sample is the time at which it was taken; two that are too near, or in the wrong order, are refused. */
typedef struct { unsigned id; int code; double value; const char *info[3]; } gpm_metric_t;
typedef struct { unsigned version, count; gpm_sample_t *first, *second; gpm_metric_t metrics[]; } gpm_get_t;
int nvmlGpmQueryDeviceSupport(void *device, unsigned *support) {
  const char *yes = of_gpu(((gpu_t *)device)->index, "gpm");
  if (support[0] != 1) return INVALID_ARGUMENT;
  support[1] = yes ? atoi(yes) : 0;
  return OK;
}
int nvmlGpmSampleAlloc(gpm_sample_t **sample) {
  *sample = calloc(1, sizeof **sample);
  return OK;
}
int nvmlGpmSampleFree(gpm_sample_t *sample) {
  free(sample);
  return OK;
}
int nvmlGpmSampleGet(void *device, gpm_sample_t *sample) {
  const char *code = of_gpu(((gpu_t *)device)->index, "gpm_sample");
  if (code) return atoi(code + 1);
  if (((gpu_t *)device)->lost) return GPU_IS_LOST;
  sample->at = now();
  sample->gpu = ((gpu_t *)device)->index;
  return OK;
}
int nvmlGpmMetricsGet(gpm_get_t *asked) {
  if (asked->version != 1 || asked->second->at - asked->first->at < 0.1) return INVALID_ARGUMENT;
  for (unsigned i = 0; i < asked->count; i++) {
    unsigned id = asked->metrics[i].id;
    const char *name = id == 2 ? "sm_active" : id == 5 ? "tensor_active" : id == 10 ? "dram_active" : "wrong";
    asked->metrics[i].code = next(&gpus[asked->second->gpu], name, &asked->metrics[i].value);
  }
  return OK;
}
#endif
