// Published models, what their files say about RoPE, and what it means. docs/models.md is the same
// for readers.
#ifndef SIMDROPE_TESTS_IO_CATALOGUE_H_
#define SIMDROPE_TESTS_IO_CATALOGUE_H_

#include <simdrope/simdrope.h>

#include <string>
#include <vector>

struct ExpectedRope {
  const char* layer_type;
  simdrope_pairing pairing;
  int head_dim;
  int rotary_dim;
  double theta;
  simdrope_scaling_type scaling = SIMDROPE_SCALING_NONE;
  double factor = 0;
  int rotary_offset = 0;
  int layers = 0;  // how many; 0: all, or untold
};

struct CatalogueEntry {
  const char* model;
  std::string config;               // the keys of the published config.json that bear on RoPE
  const char* checked;              // where these values were seen besides the model's own page; "": nowhere else
  std::vector<ExpectedRope> ropes;  // the kinds that rotate
  int nope_layers = 0;
};

extern const std::vector<CatalogueEntry> kCatalogue;

#endif  // SIMDROPE_TESTS_IO_CATALOGUE_H_
