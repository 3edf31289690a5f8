// A small site with everything that makes addresses and anchors hard.
// title: 'Not this one'
module.exports = {
  title: 'Sample site',
  url: 'https://book.example',
  baseUrl: '/base/',
  onBrokenLinks: 'ignore',
  onBrokenAnchors: 'ignore',
  onDuplicateRoutes: 'ignore',
  i18n: {defaultLocale: 'en', locales: ['en']},
  presets: [
    ['classic', {docs: {routeBasePath: 'manual', sidebarPath: undefined}, blog: false, theme: {}}],
  ],
};
