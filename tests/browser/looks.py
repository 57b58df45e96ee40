"""What tests ask of how a page looks."""

# WCAG 2.1, 1.4.3: text against what lies behind it, for every piece of text on the page.
CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
    };
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
    const behind = (node) => {
        const layers = [];
        for (let at = node; at !== null; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
        return layers.reduce((below, layer) => over(layer, below), [1, 1, 1, 1]);
    };
    const light = (colour) => {
        const [r, g, b] = colour.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.textContent.trim() || !node.checkVisibility() || node.closest(".unseen, .skip, dialog:not([open])")) continue;
        const back = behind(node);
        const [one, two] = [light(over(rgba(getComputedStyle(node).color), back)), light(back)].sort();
        const ratio = (two + 0.05) / (one + 0.05);
        if (ratio < 4.5) poor.push(`${ratio.toFixed(2)}: ${node.textContent.trim()}`);
    }
    return poor;
}"""
