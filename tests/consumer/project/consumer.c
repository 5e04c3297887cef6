/* An engine in C: rotates by simdrope, found as a dependency. */
#include <simdrope/simdrope.h>
#include <stdio.h>

int main(void) {
  float q[4] = {1, 0, 0, 0};
  simdrope_config config;
  simdrope_rope* rope = NULL;
  simdrope_cos_sin rows = SIMDROPE_COS_SIN_INIT;
  simdrope_qkv qkv = SIMDROPE_QKV_INIT;
  simdrope_config_init(&config);
  config.head_dim = 4;
  if (simdrope_rope_create(&config, &rope) != SIMDROPE_OK) return puts(simdrope_last_error()), 1;
  rows.rope = rope;
  rows.positions.start = 1;
  qkv.q.data = q;
  qkv.q.batch = qkv.q.seq = qkv.q.heads = 1;
  qkv.q.head_dim = qkv.q.head_stride = qkv.q.seq_stride = qkv.q.batch_stride = 4;
  if (simdrope_apply(&rows, &qkv, NULL, NULL) != SIMDROPE_OK) return puts(simdrope_last_error()), 1;
  simdrope_rope_release(rope);
  printf("cos 1 = %.6f, sin 1 = %.6f\n", (double)q[0], (double)q[2]);
  return q[0] < 0.5403f || q[0] > 0.5404f || q[2] < 0.8414f || q[2] > 0.8415f;
}
