// Line charts as SVG text, x linear, y logarithmic.
#ifndef SIMDROPE_TOOLS_SVG_H_
#define SIMDROPE_TOOLS_SVG_H_

#include <string>
#include <vector>

namespace simdrope::tool {

struct Series {
  std::string label;
  std::string color;
  std::vector<double> values;  // at x = 0, 1, ...; those that are not positive and finite are left out
};

struct Mark {
  std::string label;
  double value;  // where a horizontal line crosses the y axis; > 0
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  std::vector<Mark> marks;
};

std::string ToSvg(const Chart& chart);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_SVG_H_
