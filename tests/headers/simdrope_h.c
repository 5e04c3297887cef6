/* simdrope.h compiles alone as strict C99, and its main path runs from C. */
#include <simdrope/simdrope.h>
#include <stdio.h>
#include <string.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, simdrope_last_error());
  return 1;
}

int main(void) {
  float q[2][3][8], k[2][1][8];
  const simdrope_options options = SIMDROPE_OPTIONS_INIT;
  simdrope_config config;
  simdrope_rope* rope = NULL;
  simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv qkv = SIMDROPE_QKV_INIT;
  const simdrope_table no_table = SIMDROPE_TABLE_INIT;
  simdrope_positions from_seven = SIMDROPE_POSITIONS_INIT;
  simdrope_tensor* const tensors[2] = {&qkv.q, &qkv.k};
  int i;

  memset(q, 0, sizeof(q));
  memset(k, 0, sizeof(k));
  q[1][2][0] = k[0][0][0] = 1.0f;
  for (i = 0; i < 2; ++i) {
    simdrope_tensor* const t = tensors[i];
    t->data = i == 0 ? (void*)q : (void*)k;
    t->format = SIMDROPE_F32;
    t->batch = 1;
    t->seq = 2;
    t->heads = i == 0 ? 3 : 1;
    t->head_dim = 8;
    t->seq_stride = t->heads * 8;
    t->head_stride = 8;
  }
  simdrope_config_init(&config);
  config.head_dim = 8;
  if (simdrope_rope_create(&config, &rope) != SIMDROPE_OK) return failed("rope");
  rows.rope = rope;
  from_seven.start = 7;
  rows.table = no_table;
  rows.positions = from_seven;
  if (simdrope_apply(&rows, &qkv, NULL, &options) != SIMDROPE_OK) return failed("apply");
  simdrope_rope_release(rope);
  /* cos 8 and sin 7 of the first pair */
  if (q[1][2][0] > -0.1454f || q[1][2][0] < -0.1456f || k[0][0][4] < 0.6569f || k[0][0][4] > 0.6570f) {
    fprintf(stderr, "q = %g, k = %g\n", q[1][2][0], k[0][0][4]);
    return 1;
  }
  return simdrope_version()[0] == '\0';
}
