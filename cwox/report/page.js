"use strict";
// What needs a script: the strength of the heatmaps, and reading one place in all maps at once.
(function () {
  var strength = document.getElementById("strength");
  strength.parentNode.hidden = false;
  strength.addEventListener("input", function () {
    document.documentElement.style.setProperty("--heat", strength.value);
  });

  var status = document.getElementById("status");
  var tiles = Array.prototype.map.call(document.querySelectorAll(".stack[data-name]"), function (stack) {
    var cross = document.createElement("i");
    cross.className = "cross";
    cross.hidden = true;
    stack.appendChild(cross);
    stack.tabIndex = 0;
    return {
      stack: stack, cross: cross, heat: stack.querySelector(".heat, .two"), levels: null, against: stack.dataset.against,
      read: stack.parentNode.querySelector(".read"), name: stack.dataset.name
    };
  });
  var at = null; // the place, in shares of width and height

  // levels are the grey levels of a heatmap, 0 to 255.
  function levels(tile) {
    var img = tile.heat;
    if (!tile.levels && img.complete && img.naturalWidth) {
      var canvas = document.createElement("canvas");
      canvas.width = img.naturalWidth;
      canvas.height = img.naturalHeight;
      var context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(img, 0, 0);
      tile.levels = context.getImageData(0, 0, canvas.width, canvas.height);
    }
    return tile.levels;
  }

  // within is a place in shares of the heatmap, which may cover a part of the photograph only;
  // null outside of it.
  function within(tile, place) {
    var stack = tile.stack.getBoundingClientRect(), heat = tile.heat.getBoundingClientRect();
    var x = (stack.left + place[0] * stack.width - heat.left) / heat.width;
    var y = (stack.top + place[1] * stack.height - heat.top) / heat.height;
    return Math.min(x, 1 - x, y, 1 - y) >= 0 ? [x, y] : null;
  }

  function show(place) {
    at = place;
    tiles.forEach(function (tile) {
      tile.cross.hidden = !place;
      tile.read.textContent = "";
      var data = place && levels(tile);
      if (!data) return;
      tile.cross.style.left = 100 * place[0] + "%";
      tile.cross.style.top = 100 * place[1] + "%";
      var inside = within(tile, place);
      if (!inside) {
        tile.read.textContent = "not seen";
        return;
      }
      var x = Math.min(data.width - 1, Math.floor(inside[0] * data.width));
      var y = Math.min(data.height - 1, Math.floor(inside[1] * data.height));
      var i = 4 * (y * data.width + x);
      if (tile.against) { // orange for the one, blue for the other
        var side = data.data[i] > data.data[i + 2] ? tile.name : tile.against;
        tile.read.textContent = data.data[i + 3] ? "here " + Math.round(data.data[i + 3] / 2.55) + "\u00a0% for " + side : "here none";
        return;
      }
      var share = data.data[i + 3] ? data.data[i] / 255 : 0;
      tile.read.textContent = "here " + Math.round(100 * share) + "\u00a0% of its maximum";
    });
  }

  tiles.forEach(function (tile) {
    function point(event) {
      var box = tile.stack.getBoundingClientRect();
      show([
        Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)),
        Math.min(1, Math.max(0, (event.clientY - box.top) / box.height))
      ]);
    }
    tile.stack.addEventListener("pointerdown", point);
    tile.stack.addEventListener("pointermove", point);
    tile.stack.addEventListener("pointerleave", function () { show(null); });
    tile.stack.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") show(null);
      if (!step) return;
      event.preventDefault();
      var from = at || [0.5, 0.5];
      show([
        Math.min(1, Math.max(0, from[0] + step[0] / 32)),
        Math.min(1, Math.max(0, from[1] + step[1] / 32))
      ]);
      // The map that has the focus first, then all others.
      status.textContent = [tile].concat(tiles.filter(function (other) { return other !== tile; })).map(function (one) {
        return one.name + ": " + one.read.textContent.replace("of its maximum", "").trim();
      }).join("; ");
    });
    tile.stack.addEventListener("blur", function () { show(null); });
  });
})();
