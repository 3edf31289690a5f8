import { defineConfig } from 'vitepress'

// title: 'Not this one'
export default defineConfig({
  title: 'Sample site',
  lang: 'en-GB',
  base: '/base/',
  cleanUrls: true,
  ignoreDeadLinks: true,
  srcExclude: ['**/draft.md'],
  themeConfig: {
    sidebar: [
      { text: 'Guide', items: [
        { text: 'Second', link: '/guide/second' },
        { text: 'First', link: '/guide/first' },
      ] },
    ],
  },
})
